#!/bin/bash
# Downloads Fashion-MNIST (Xiao et al. 2017, MIT licence): data/fetch_fashion_mnist.sh DIR.
# Only for systems without Debian's dataset-fashion-mnist package. Each file is put into place
# only after its uncompressed contents match the checksum (of the Debian package's contents).
set -euo pipefail
if [ $# != 1 ]; then
  echo "usage: data/fetch_fashion_mnist.sh DIR" >&2
  exit 2
fi
directory=$1
mirrors=${FASHION_MNIST_URL:-http://fashion-mnist.s3-website.eu-central-1.amazonaws.com \
https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion}
fail() {
  echo "intandem: error: $1: $2; $3" >&2
  exit 1
}
download() { # URL FILE
  if command -v curl >/dev/null; then
    curl --fail --silent --show-error --location --retry 2 --connect-timeout 20 -o "$2" "$1"
  elif command -v wget >/dev/null; then
    wget --quiet --tries 3 --timeout 20 -O "$2" "$1"
  else
    fail "$1" "neither curl nor wget is installed" "install one of them"
  fi
}
sum() { gzip -dc "$1" 2>/dev/null | sha256sum | cut -d' ' -f1; }

mkdir -p "$directory" || fail "$directory" "cannot be created" "check the path"
temporary="$directory/download.tmp.$$"
trap 'rm -f "$temporary"' EXIT
while read -r expected name; do
  file="$directory/$name"
  if [ -f "$file" ] && [ "$(sum "$file")" = "$expected" ]; then
    echo "$file is there"
    continue
  fi
  echo "fetching $name"
  for mirror in $mirrors; do
    rm -f "$temporary"
    download "$mirror/$name" "$temporary" && [ "$(sum "$temporary")" = "$expected" ] && break
    echo "$mirror/$name: download failed or wrong checksum" >&2
    rm -f "$temporary"
  done
  [ -f "$temporary" ] ||
    fail "$name" "no mirror has it" "check the network or put the file into $directory"
  mv "$temporary" "$file"
done <<'END'
c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888 train-images-idx3-ubyte.gz
bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9 train-labels-idx1-ubyte.gz
5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b t10k-images-idx3-ubyte.gz
0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34 t10k-labels-idx1-ubyte.gz
END
