#include "core/container.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "core/checksum.hpp"
#include "core/error.hpp"
#include "core/file.hpp"
#include "core/text.hpp"

namespace intandem {
namespace {

using nlohmann::json;

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

constexpr const char* kMetadata = "__metadata__";
// The limit of the official safetensors library; refuses a random number read as a length.
constexpr std::uint64_t kMaxHeader_bytes = 100'000'000;
constexpr const char* kReserved[] = {"format", "format_version", "kind", "checksum"};
constexpr const char* kDamagedRemedy = "the file is damaged; restore it or create it again";
constexpr const char* kSafetensorsRemedy = "give a file written by safetensors' save_file";
constexpr const char* kFloatRemedy = "store float32 tensors of rank 0 to 4 (model.float())";
constexpr const char* kForeignRemedy = "use a teacher, checkpoint, student or model of intandem";

std::int64_t element_bytes(const std::string& dtype) {
  if (dtype == "F64" || dtype == "I64") return 8;
  if (dtype == "F32" || dtype == "I32") return 4;
  return dtype == "U8" || dtype == "I8" ? 1 : 0;
}

template <class T>
constexpr const char* dtype_of() {
  if constexpr (std::is_same_v<T, float>) return "F32";
  if constexpr (std::is_same_v<T, double>) return "F64";
  if constexpr (std::is_same_v<T, std::uint8_t>) return "U8";
  if constexpr (std::is_same_v<T, std::int8_t>) return "I8";
  if constexpr (std::is_same_v<T, std::int32_t>) return "I32";
  if constexpr (std::is_same_v<T, std::int64_t>) return "I64";
}

// nlohmann::json keeps the last of two equal keys; a file with two entries of one name is refused.
json parse_header(const std::string& text, std::string* duplicate) {
  std::vector<std::set<std::string>> keys;
  const auto watch = [&](int, json::parse_event_t event, json& value) {
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key) {
      const auto key = value.get<std::string>();
      if (!keys.back().insert(key).second) *duplicate = key;
    }
    return true;
  };
  return json::parse(text, watch, /*allow_exceptions=*/false);
}

// {"dtype": …, "shape": […], "data_offsets": [begin, end]} of one tensor, or what is wrong with it.
std::string read_entry(const json& value, std::string* dtype, Shape* shape, std::int64_t* begin,
                       std::int64_t* end) {
  const auto is_extent = [](const json& n) {
    return n.is_number_unsigned() && n.get<std::uint64_t>() < (std::uint64_t{1} << 48);
  };
  if (!value.is_object() || value.size() != 3 || !value.contains("dtype") ||
      !value.contains("shape") || !value.contains("data_offsets")) {
    return "must hold dtype, shape and data_offsets";
  }
  const json& offsets = value["data_offsets"];
  const json& extents = value["shape"];
  if (!value["dtype"].is_string()) return "has an unknown dtype";
  if (element_bytes(value["dtype"].get<std::string>()) == 0) {
    return "has an unknown dtype, " + printable(value["dtype"].get<std::string>());
  }
  if (!extents.is_array() || extents.size() > Shape::kMaxRank ||
      !std::all_of(extents.begin(), extents.end(), is_extent)) {
    return "has an impossible shape";
  }
  if (!offsets.is_array() || offsets.size() != 2 || !is_extent(offsets[0]) ||
      !is_extent(offsets[1]) || offsets[0] > offsets[1]) {
    return "has impossible data_offsets";
  }
  *dtype = value["dtype"].get<std::string>();
  *begin = offsets[0].get<std::int64_t>();
  *end = offsets[1].get<std::int64_t>();
  std::int64_t bytes = element_bytes(*dtype);
  for (const json& n : extents) {
    shape->push_back(n.get<std::int64_t>());
    if (__builtin_mul_overflow(bytes, n.get<std::int64_t>(), &bytes)) return "is impossibly large";
  }
  if (bytes != *end - *begin) return "has a shape that does not match its data_offsets";
  return {};
}

}  // namespace

void Container::fail(const std::string& problem, const std::string& remedy) const {
  throw Error(path_.empty() ? "container" : path_, problem, remedy);
}

const Container::Entry& Container::entry(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) fail("tensor '" + name + "' is missing", kForeignRemedy);
  return found->second;
}

const std::string& Container::get(const std::string& key) const {
  const auto found = metadata_.find(key);
  if (found == metadata_.end()) fail("metadata '" + key + "' is missing", kForeignRemedy);
  return found->second;
}

std::int64_t Container::get_int(const std::string& key) const {
  const std::string& text = get(key);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    fail("metadata '" + key + "' is '" + text + "', not an integer", kDamagedRemedy);
  }
  return value;
}

std::vector<std::string> Container::tensor_names() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : tensors_) names.push_back(name);
  return names;
}

template <class T>
void Container::put(const std::string& name, const Tensor<T>& tensor) {
  INTANDEM_CHECK(!name.empty() && name != kMetadata, "'" + name + "' cannot name a tensor");
  // A default-constructed tensor has a scalar's shape and no element.
  INTANDEM_CHECK(tensor.size() == tensor.shape().size(), "tensor '" + name + "' has no buffer");
  tensors_[name] = {dtype_of<T>(), tensor.shape(),
                    tensor.template reinterpreted<std::uint8_t>({tensor.size_bytes()})};
}

template <class T>
Tensor<T> Container::tensor(const std::string& name) const {
  const Entry& e = entry(name);
  if (e.dtype != dtype_of<T>()) {
    fail("tensor '" + name + "' is " + e.dtype + ", expected " + dtype_of<T>(), kForeignRemedy);
  }
  return e.bytes.reinterpreted<T>(e.shape);
}

template <class T>
Tensor<T> Container::tensor(const std::string& name, const Shape& expected) const {
  const Tensor<T> t = tensor<T>(name);
  if (!(t.shape() == expected)) {
    fail("tensor '" + name + "' has shape " + t.shape().str() + ", expected " + expected.str(),
         kForeignRemedy);
  }
  return t;
}

#define INTANDEM_CONTAINER_TYPE(T)                                    \
  template void Container::put(const std::string&, const Tensor<T>&); \
  template Tensor<T> Container::tensor<T>(const std::string&) const;  \
  template Tensor<T> Container::tensor<T>(const std::string&, const Shape&) const;
INTANDEM_CONTAINER_TYPE(float)
INTANDEM_CONTAINER_TYPE(double)
INTANDEM_CONTAINER_TYPE(std::uint8_t)
INTANDEM_CONTAINER_TYPE(std::int8_t)
INTANDEM_CONTAINER_TYPE(std::int32_t)
INTANDEM_CONTAINER_TYPE(std::int64_t)
#undef INTANDEM_CONTAINER_TYPE

std::vector<const Container::NamedEntry*> Container::data_order() const {
  std::vector<const NamedEntry*> order;
  for (const std::int64_t size : {8, 4, 1}) {
    for (const NamedEntry& named : tensors_) {
      if (element_bytes(named.second.dtype) == size) order.push_back(&named);
    }
  }
  return order;
}

std::string Container::header(const std::string& checksum) const {
  json metadata = metadata_;
  metadata["format"] = "intandem";
  metadata["format_version"] = std::to_string(version_);
  metadata["kind"] = kind_;
  metadata["checksum"] = checksum;
  json root;
  root[kMetadata] = std::move(metadata);
  std::int64_t offset = 0;
  for (const NamedEntry* named : data_order()) {
    const auto& [name, e] = *named;
    json shape = json::array();
    for (int axis = 0; axis < e.shape.rank(); ++axis) shape.push_back(e.shape[axis]);
    const std::int64_t end = offset + e.bytes.size();
    root[name] = {{"dtype", e.dtype}, {"shape", shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text;
  try {
    text = root.dump();
  } catch (const json::exception&) {
    fail("a name or a metadata value is not UTF-8", "use UTF-8 names");
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

std::string Container::checksum() const {
  Checksum sum;
  sum.absorb(header({}));
  for (const NamedEntry* named : data_order()) {
    sum.absorb(named->second.bytes.data(), named->second.bytes.size());
  }
  return sum.digits();
}

void Container::save(const std::string& path) const {
  for (const char* key : kReserved) {
    INTANDEM_CHECK(!has(key), std::string("metadata '") + key + "' is written by the container");
  }
  check_values(path, "training diverged; lower the learning rate");
  const std::string text = header(checksum());
  const std::uint64_t length = text.size();
  if (length > kMaxHeader_bytes) {
    throw Error(path, "the header would have " + std::to_string(length) + " bytes",
                "store less metadata");
  }
  AtomicWriter file(path);
  file.write(&length, sizeof length);
  file.write(text.data(), static_cast<std::int64_t>(length));
  for (const NamedEntry* named : data_order()) {
    file.write(named->second.bytes.data(), named->second.bytes.size());
  }
  file.commit();
}

Container Container::load(const std::string& path, const std::string& expected_kind) {
  Container c = load(path);
  if (c.kind_ != expected_kind) {
    c.fail("is of kind '" + c.kind_ + "' instead of '" + expected_kind + "'",
           "give a file of that kind");
  }
  return c;
}

Container Container::load(const std::string& path) {
  Container c{std::string()};
  c.path_ = path;
  const std::string text = c.read(false);
  c.kind_ = c.get("kind");
  const std::string stored_checksum = c.get("checksum");
  for (const char* key : kReserved) c.metadata_.erase(key);
  // One content has one header, so a changed byte that JSON forgives (a space, an escape, the
  // order) shows as well; the checksum is of everything else.
  if (c.checksum() != stored_checksum || c.header(stored_checksum) != text) {
    c.fail("its checksum does not match its contents", kDamagedRemedy);
  }
  c.check_values(path, "training diverged or the file is damaged; create it again");
  return c;
}

Container Container::load_foreign(const std::string& path) {
  Container c{std::string()};
  c.path_ = path;
  c.read(true);
  c.check_values(path, "training diverged or the file is damaged; create it again");
  return c;
}

struct Container::Source {
  FileReader file;
  json root;
  std::int64_t data_bytes = 0;
};

std::string Container::read(bool foreign) {
  const char* const remedy = foreign ? kSafetensorsRemedy : kForeignRemedy;
  Source source{FileReader(path_, "check the path"), {}, 0};
  FileReader& file = source.file;
  const std::string not_safetensors = "is not a safetensors file";
  std::uint64_t length = 0;
  if (file.size_bytes() < 8) fail("is too short to be a safetensors file", remedy);
  file.read(&length, sizeof length);
  if (length < 2 || length > kMaxHeader_bytes) fail(not_safetensors, remedy);
  source.data_bytes = file.size_bytes() - 8 - static_cast<std::int64_t>(length);
  if (source.data_bytes < 0) fail("is truncated or not a safetensors file", kDamagedRemedy);
  std::string text(length, '\0');
  file.read(text.data(), static_cast<std::int64_t>(length));

  std::string duplicate;
  const json& root = source.root = parse_header(text, &duplicate);
  if (!root.is_object()) fail(not_safetensors + " (its header is not JSON)", remedy);
  const json metadata = root.value(kMetadata, json::object());
  const auto is_string = [](const json& value) { return value.is_string(); };
  if (!metadata.is_object() || !std::all_of(metadata.begin(), metadata.end(), is_string)) {
    fail(not_safetensors + " (its metadata are not strings)", remedy);
  }
  metadata_ = metadata.get<std::map<std::string, std::string>>();
  if (!foreign) check_own_metadata();
  if (!duplicate.empty()) fail("names '" + duplicate + "' twice", kDamagedRemedy);
  read_tensors(source, foreign ? kFloatRemedy : kDamagedRemedy);
  return text;
}

void Container::check_own_metadata() {
  for (const char* key : kReserved) {
    if (!has(key) || get("format") != "intandem") {
      fail("was not written by intandem", kForeignRemedy);
    }
  }
  version_ = get_int("format_version");
  if (version_ > kFormatVersion) {
    fail("is of a newer version (format " + std::to_string(version_) + ", this program reads " +
             std::to_string(kFormatVersion) + ")",
         "update intandem");
  }
  if (version_ < 1) fail("has an unknown format version", kDamagedRemedy);
}

void Container::read_tensors(Source& source, const char* remedy) {
  const std::int64_t data_bytes = source.data_bytes;
  std::map<std::int64_t, std::pair<std::int64_t, Entry*>> extents;  // by begin, empty ones left out
  for (const auto& [name, value] : source.root.items()) {
    if (name == kMetadata) continue;
    Entry e;
    std::int64_t begin = 0, end = 0;
    const std::string problem = read_entry(value, &e.dtype, &e.shape, &begin, &end);
    if (!problem.empty()) fail("tensor '" + name + "' " + problem, remedy);
    if (end > data_bytes) {
      fail("is truncated: tensor '" + name + "' ends behind the end of the file", kDamagedRemedy);
    }
    Entry* stored = &(tensors_[name] = std::move(e));
    if (begin == end) {
      stored->bytes = TensorU8({0});
    } else if (!extents.emplace(begin, std::pair(end, stored)).second) {
      fail("tensor '" + name + "' overlaps another one", kDamagedRemedy);
    }
  }
  std::int64_t offset = 0;
  for (auto& [begin, extent] : extents) {
    if (begin != offset) fail("its tensors overlap or leave gaps", kDamagedRemedy);
    offset = extent.first;
    extent.second->bytes = TensorU8({extent.first - begin});
    source.file.read(extent.second->bytes.data(), extent.second->bytes.size());
  }
  if (offset != data_bytes) fail("has bytes behind its last tensor", kDamagedRemedy);
}

}  // namespace intandem
