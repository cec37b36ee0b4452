#!/bin/sh
# Downloads Fashion-MNIST into DIRECTORY and checks the decompressed contents.
# usage: data/fetch_fashion_mnist.sh DIRECTORY
set -eu

if [ $# -ne 1 ]; then
  echo "usage: $0 DIRECTORY" >&2
  exit 2
fi
base="${FASHION_MNIST_URL:-https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion}"
mkdir -p "$1"

while read -r sum name; do
  target="$1/$name.gz"
  if [ -f "$target" ] && [ "$(gunzip -c "$target" | sha256sum | cut -d' ' -f1)" = "$sum" ]; then
    echo "$target: already there"
    continue
  fi
  part="$target.part"
  if command -v curl >/dev/null; then
    curl -fsSL -o "$part" "$base/$name.gz"
  else
    wget -q -O "$part" "$base/$name.gz"
  fi
  if [ "$(gunzip -c "$part" | sha256sum | cut -d' ' -f1)" != "$sum" ]; then
    rm -f "$part"
    echo "$target: the download from $base has the wrong checksum; try again" >&2
    exit 1
  fi
  mv "$part" "$target"
  echo "$target: ok"
done <<LIST
c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888 train-images-idx3-ubyte
bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9 train-labels-idx1-ubyte
5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b t10k-images-idx3-ubyte
0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34 t10k-labels-idx1-ubyte
LIST
