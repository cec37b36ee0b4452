// An IDX file, plain or gzip-compressed, as images and as labels.
#include "data/idx.hpp"
#include "tests/fuzz/harness.hpp"

using namespace intandem;

namespace {

void read(const std::string& path, int rank) {
  const IdxArray all = read_idx(path, rank, 0, "");
  const IdxArray two = read_idx(path, rank, 2, "");
  if (all.items.dim(0) != all.count || two.items.dim(0) > 2 ||
      read_idx_count(path, rank, "") != all.count) {
    fuzz::fail("wrong extents");
  }
}

}  // namespace

INTANDEM_FUZZ(idx) {
  const fuzz::MemoryFile file(input);
  try {
    read(file.path(), 3);
  } catch (const Error&) {
    read(file.path(), 1);
  }
}
