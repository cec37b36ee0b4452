#!/bin/bash
# CIFAR-10 (Krizhevsky 2009): data/fetch_cifar10.sh DIR [ARCHIVE].
# Without ARCHIVE downloads the official binary version and checks it; ARCHIVE is that file from
# elsewhere (checked as well), or any .tar, .tar.gz or .tgz with train/<class>/ and test/<class>/
# folders of images. Ends with one line "DATASET DIRECTORY", what --dataset and --data-dir want.
set -euo pipefail
if [ $# -lt 1 ] || [ $# -gt 2 ]; then
  echo "usage: data/fetch_cifar10.sh DIR [ARCHIVE]" >&2
  exit 2
fi
directory=$1
archive=${2:-}
url=${CIFAR10_URL:-https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz}
sha256=c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd
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
complete_binary() { # DIR
  local name
  for name in data_batch_{1,2,3,4,5} test_batch; do
    [ "$(stat -c %s "$1/cifar-10-batches-bin/$name.bin" 2>/dev/null)" = 30730000 ] || return 1
  done
}

mkdir -p "$directory" || fail "$directory" "cannot be created" "check the path"
binary=$directory/cifar10
folders=$directory/cifar10-images
if [ -z "$archive" ]; then
  if complete_binary "$binary"; then
    echo "cifar10 $binary"
    exit
  elif [ -d "$folders/train" ] && [ -d "$folders/test" ]; then
    echo "image-folder $folders"
    exit
  fi
fi

# Everything appears under its own name only when it is whole.
temporary=$directory/cifar10.tmp.$$
trap 'rm -rf "$temporary"' EXIT
mkdir -p "$temporary"
if [ -z "$archive" ]; then
  archive=$temporary/cifar-10-binary.tar.gz
  echo "fetching $url (170 MB)" >&2
  download "$url" "$archive" ||
    fail "$url" "cannot be downloaded" \
      "check the network, or give an archive: make data-cifar10 FROM=FILE"
  [ "$(sha256sum "$archive" | cut -d' ' -f1)" = $sha256 ] ||
    fail "$url" "has the wrong checksum" "try again later"
fi
[ -f "$archive" ] || fail "$archive" "no such file" "check the path given with FROM"
mkdir "$temporary/content"
tar -xf "$archive" -C "$temporary/content" --no-same-owner 2>/dev/null ||
  fail "$archive" "cannot be unpacked" "give a whole .tar, .tar.gz or .tgz file"
# The folders may lie at the top or in one folder.
top=$temporary/content
entries=("$top"/*)
if [ ${#entries[@]} = 1 ] && [ ! -d "$top/train" ] && [ ! -d "$top/cifar-10-batches-bin" ]; then
  top=${entries[0]}
fi
if [ -d "$top/cifar-10-batches-bin" ]; then
  [ "$(sha256sum "$archive" | cut -d' ' -f1)" = $sha256 ] ||
    fail "$archive" "is not the official cifar-10-binary.tar.gz (its SHA-256 is $sha256)" \
      "download it again"
  rm -rf "$binary"
  mv "$top" "$binary"
  echo "cifar10 $binary"
elif [ -d "$top/train" ] && [ -d "$top/test" ]; then
  rm -rf "$folders"
  mv "$top" "$folders"
  echo "image-folder $folders"
else
  fail "$archive" "holds neither cifar-10-batches-bin/ nor train/ and test/" \
    "give the official binary archive or one with a folder per class"
fi
