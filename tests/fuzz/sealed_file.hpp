// Containers as plain data, and a mutator that changes what is in them and writes length, offsets
// and checksum (docs/formats.md, F1) so that they fit: a file changed byte by byte would never get
// past its checksum. Written from the document, not with the code it tests.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "core/container.hpp"
#include "tests/fuzz/harness.hpp"

#if defined(INTANDEM_FUZZING)
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed);
#endif

namespace intandem::fuzz {

struct SealedTensor {
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::string bytes;
};

inline std::int64_t bytes_of_dtype(const std::string& dtype) {
  if (dtype == "F64" || dtype == "I64") return 8;
  return dtype == "F32" || dtype == "I32" ? 4 : 1;
}

struct SealedFile {
  std::map<std::string, std::string> metadata;  // "format", "format_version" and "kind" included
  std::map<std::string, SealedTensor> tensors;

  /// Null unless the bytes are a container but for its checksum.
  static std::optional<SealedFile> parse(Input input) {
    using nlohmann::json;
    std::uint64_t length = 0;
    if (input.size() < 8) return {};
    std::memcpy(&length, input.data(), 8);
    if (length > input.size() - 8) return {};
    const Input data = input.subspan(8 + length);
    const json root = json::parse(input.begin() + 8, input.begin() + 8 + static_cast<long>(length),
                                  nullptr, false);
    SealedFile file;
    try {
      for (const auto& [name, entry] : root.items()) {
        if (name == "__metadata__") {
          file.metadata = entry.get<std::map<std::string, std::string>>();
          continue;
        }
        const auto begin = entry.at("data_offsets").at(0).get<std::size_t>();
        const auto end = entry.at("data_offsets").at(1).get<std::size_t>();
        if (begin > end || end > data.size()) return {};
        file.tensors[name] = {entry.at("dtype"), entry.at("shape"),
                              text_of(data.subspan(begin, end - begin))};
      }
    } catch (const json::exception&) {
      return {};
    }
    file.metadata.erase("checksum");
    return file;
  }

  static SealedFile of(const Container& container) {
    SealedFile file;
    file.metadata = container.metadata();
    file.metadata.insert({{"format", "intandem"},
                          {"format_version", std::to_string(container.version())},
                          {"kind", container.kind()}});
    for (const std::string& name : container.tensor_names()) {
      SealedTensor& t = file.tensors[name];
      t.dtype = container.dtype(name);
      for (int i = 0; i < container.shape(name).rank(); ++i) {
        t.shape.push_back(container.shape(name)[i]);
      }
      const auto copy = [&](const auto& tensor) {
        if (tensor.size() > 0) {
          t.bytes.assign(reinterpret_cast<const char*>(tensor.data()),
                         static_cast<std::size_t>(tensor.size_bytes()));
        }
      };
      if (t.dtype == "F64") copy(container.tensor<double>(name));
      if (t.dtype == "I64") copy(container.tensor<std::int64_t>(name));
      if (t.dtype == "F32") copy(container.tensor<float>(name));
      if (t.dtype == "I32") copy(container.tensor<std::int32_t>(name));
      if (t.dtype == "U8") copy(container.tensor<std::uint8_t>(name));
      if (t.dtype == "I8") copy(container.tensor<std::int8_t>(name));
    }
    return file;
  }

  std::vector<const std::pair<const std::string, SealedTensor>*> data_order() const {
    std::vector<const std::pair<const std::string, SealedTensor>*> order;
    for (const std::int64_t size : {8, 4, 1}) {
      for (const auto& named : tensors) {
        if (bytes_of_dtype(named.second.dtype) == size) order.push_back(&named);
      }
    }
    return order;
  }

  std::string header(const std::string& checksum) const {
    nlohmann::json root;
    root["__metadata__"] = metadata;
    root["__metadata__"]["checksum"] = checksum;
    std::size_t offset = 0;
    for (const auto* named : data_order()) {
      const SealedTensor& t = named->second;
      root[named->first] = {{"dtype", t.dtype},
                            {"shape", t.shape},
                            {"data_offsets", {offset, offset + t.bytes.size()}}};
      offset += t.bytes.size();
    }
    std::string text = root.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    text.resize((text.size() + 7) / 8 * 8, ' ');
    return text;
  }

  std::string seal() const {
    std::uint64_t state = 0xCBF29CE484222325;
    const auto word = [&](std::uint64_t w) {
      state = (state ^ w) * 0x100000001B3;
      state ^= state >> 32;
    };
    const auto absorb = [&](const std::string& bytes) {
      for (std::size_t i = 0; i < bytes.size(); i += 8) {
        std::uint64_t w = 0;
        std::memcpy(&w, bytes.data() + i, std::min<std::size_t>(8, bytes.size() - i));
        word(w);
      }
      word(bytes.size());
    };
    absorb(header(""));
    std::string data;
    for (const auto* named : data_order()) {
      absorb(named->second.bytes);
      data += named->second.bytes;
    }
    char digits[17];
    std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(state));
    const std::string text = header(digits);
    const std::uint64_t length = text.size();
    return std::string(reinterpret_cast<const char*>(&length), 8) + text + data;
  }
};

#if defined(INTANDEM_FUZZING)

/// One change of a container's contents.
class SealedMutator {
 public:
  explicit SealedMutator(unsigned seed) : random_(seed) {}

  std::uint64_t below(std::uint64_t n) { return random_() % n; }

  std::string changed(std::string bytes) {
    const std::size_t most = bytes.size() + 16;
    const std::size_t size = bytes.size();
    bytes.resize(most);
    bytes.resize(LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(bytes.data()), size, most));
    return bytes;
  }

  std::string interesting_number() {
    static constexpr std::int64_t kNumbers[] = {0,
                                                1,
                                                2,
                                                3,
                                                4,
                                                5,
                                                7,
                                                8,
                                                15,
                                                16,
                                                17,
                                                31,
                                                32,
                                                63,
                                                64,
                                                127,
                                                128,
                                                255,
                                                256,
                                                -1,
                                                -2,
                                                46,
                                                47,
                                                32767,
                                                32768,
                                                1 << 24,
                                                (1 << 24) + 1,
                                                2147483647,
                                                -2147483648LL,
                                                4294967296LL,
                                                4294967300LL,
                                                INT64_MAX,
                                                INT64_MIN};
    return std::to_string(kNumbers[below(std::size(kNumbers))]);
  }

  void change(SealedFile& file) {
    switch (below(10)) {
      case 0:
        if (auto* named = any(file.metadata)) named->second = changed(named->second);
        break;
      case 1:
      case 2:
      case 3:
        change_number(file);
        break;
      case 4:
      case 5:
        if (auto* named = any(file.tensors)) change_bytes(named->second);
        break;
      case 6:
        if (auto* named = any(file.tensors)) change_shape(named->second);
        break;
      case 7:
        if (auto* named = any(file.tensors)) {
          static constexpr const char* kTypes[] = {"F64", "I64", "F32", "I32", "U8", "I8", "F16"};
          named->second.dtype = kTypes[below(std::size(kTypes))];
          fit(named->second);
        }
        break;
      case 8:
        if (auto* named = any(file.tensors)) {
          const std::string name = named->first;
          if (below(2) == 0) file.tensors[changed(name)] = named->second;
          if (below(2) == 0) file.tensors.erase(name);
        }
        break;
      default:
        if (auto* named = any(file.metadata)) {
          const std::string name = named->first;
          if (below(2) == 0) file.metadata[changed(name)] = named->second;
          if (below(2) == 0) file.metadata.erase(name);
        }
    }
  }

 private:
  template <class Map>
  typename Map::value_type* any(Map& map) {
    if (map.empty()) return nullptr;
    return &*std::next(map.begin(), static_cast<std::ptrdiff_t>(below(map.size())));
  }

  void change_number(SealedFile& file) {
    for (int i = 0; i < 20; ++i) {
      auto* named = any(file.metadata);
      if (named == nullptr) return;
      std::string& value = named->second;
      if (value.empty() || value.find_first_not_of("-0123456789") != std::string::npos) continue;
      const std::int64_t number = std::strtoll(value.c_str(), nullptr, 10);
      const auto near =
          static_cast<std::int64_t>(static_cast<std::uint64_t>(number) + below(5) - 2);
      value = below(2) == 0 ? interesting_number() : std::to_string(near);
      return;
    }
  }

  void change_bytes(SealedTensor& t) {
    const std::size_t size = t.bytes.size();
    if (size == 0) return;
    if (t.dtype == "I32" && size >= 4 && below(2) == 0) {
      const auto value =
          static_cast<std::int32_t>(std::strtoll(interesting_number().c_str(), nullptr, 10));
      std::memcpy(t.bytes.data() + below(size / 4) * 4, &value, 4);
      return;
    }
    LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(t.bytes.data()), size, size);
  }

  void change_shape(SealedTensor& t) {
    if (t.shape.empty() || below(8) == 0) {
      t.shape.insert(t.shape.begin(), static_cast<std::int64_t>(below(3)));
    } else if (below(4) == 0) {
      std::shuffle(t.shape.begin(), t.shape.end(), random_);
    } else if (below(4) == 0) {
      t.shape.pop_back();
    } else {
      std::int64_t& extent = t.shape[below(t.shape.size())];
      extent = std::max<std::int64_t>(0, extent + static_cast<std::int64_t>(below(5)) - 2);
    }
    fit(t);
  }

  /// As many bytes as the shape wants, where that is not many.
  static void fit(SealedTensor& t) {
    std::int64_t size = bytes_of_dtype(t.dtype);
    for (const std::int64_t extent : t.shape) {
      size *= extent;
      if (size > 1 << 16) return;
    }
    t.bytes.resize(static_cast<std::size_t>(size));
  }

  std::minstd_rand random_;
};

/// The mutator of a harness of containers: now and then bytes, mostly contents. fresh(random
/// number) makes a file to start from; repair(file) makes up for what a change of contents spoils.
template <class Fresh, class Repair>
std::size_t mutate_sealed(std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned seed,
                          const Fresh& fresh, const Repair& repair) {
  SealedMutator mutator(seed);
  if (mutator.below(20) == 0) return LLVMFuzzerMutate(data, size, max_size);
  std::optional<SealedFile> file = SealedFile::parse({data, size});
  std::string bytes;
  if (!file || mutator.below(50) == 0) {
    bytes = fresh(mutator.below(1 << 20)).seal();
  } else {
    for (std::uint64_t changes = 1 + mutator.below(3); changes > 0; --changes)
      mutator.change(*file);
    if (mutator.below(4) > 0) repair(*file);
    bytes = file->seal();
  }
  if (bytes.size() > max_size) return LLVMFuzzerMutate(data, size, max_size);
  std::memcpy(data, bytes.data(), bytes.size());
  return bytes.size();
}

#endif

}  // namespace intandem::fuzz
