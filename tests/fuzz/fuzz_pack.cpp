// A packed data set: its index, and every record. What does not begin as a pack is taken for an
// index and sealed, or nothing would come past its checksum.
#include <cstring>

#include "data/pack_index.hpp"
#include "data/packed.hpp"
#include "tests/fuzz/harness.hpp"

using namespace intandem;

namespace {

std::string sealed(const std::string& index) {
  std::string file = std::string(kPackMagic) + std::string(64, '\x55');
  const std::uint64_t footer[] = {
      file.size(), index.size(),
      pack_checksum(index.data(), static_cast<std::int64_t>(index.size()))};
  file += index;
  file.append(reinterpret_cast<const char*>(footer), sizeof footer);
  return file.append(kPackMagic);
}

}  // namespace

INTANDEM_FUZZ(pack) {
  std::string bytes = fuzz::text_of(input);
  if (!bytes.starts_with("intandem")) bytes = sealed(bytes);
  const fuzz::MemoryFile file({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  LoadOptions options;
  options.input = {4, 4, 3, Preprocessing::fit};
  options.memory_bytes = 1 << 26;
  const TrainTest data = load_packed(file.path(), options);
  if (!(data.train.image_shape() == Shape{4, 4, 3})) fuzz::fail("wrong extents");
}
