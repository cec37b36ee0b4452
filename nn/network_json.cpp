// NetworkSpec as JSON: one object, every key known, absent features left out.
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "core/file.hpp"
#include "core/json.hpp"
#include "nn/network.hpp"

namespace intandem {
namespace {

constexpr std::pair<UnitKind, const char*> kKinds[] = {
    {UnitKind::conv, "conv"}, {UnitKind::linear, "linear"}, {UnitKind::avg_pool, "avg_pool"}};

const char* kind_name(UnitKind kind) {
  for (const auto& [value, name] : kKinds) {
    if (value == kind) return name;
  }
  return "?";
}

// One JSON object whose keys are taken one by one; what is left at the end is unknown.
class Reader {
 public:
  Reader(const Json& json, std::string source, std::string where)
      : json_(json), source_(std::move(source)), where_(std::move(where)) {
    if (!json_.is_object()) fail("is not a JSON object");
  }

  [[noreturn]] void fail(const std::string& problem) const {
    throw Error(source_, where_ + " " + problem, "correct the architecture or use another file");
  }

  const Json* find(const char* key) {
    seen_.insert(key);
    const auto it = json_.find(key);
    return it == json_.end() ? nullptr : &*it;
  }
  const Json& need(const char* key) {
    const Json* value = find(key);
    if (value == nullptr) fail(std::string("has no \"") + key + "\"");
    return *value;
  }

  std::string text(const char* key) {
    const Json& value = need(key);
    if (!value.is_string()) fail(std::string("\"") + key + "\" is not a string");
    return value.get<std::string>();
  }
  std::int64_t integer(const char* key) {
    const Json& value = need(key);
    // Limits far above any real network keep the geometry's products inside 64 bits.
    constexpr std::int64_t kLimit = 1 << 20;
    if (!value.is_number_integer()) fail(std::string("\"") + key + "\" is not an integer");
    if (value.is_number_unsigned() ? value.get<std::uint64_t>() > kLimit
                                   : value.get<std::int64_t>() < -kLimit) {
      fail(std::string("\"") + key + "\" is out of range");
    }
    return value.get<std::int64_t>();
  }
  std::int64_t integer(const char* key, std::int64_t fallback) {
    return find(key) == nullptr ? fallback : integer(key);
  }
  bool flag(const char* key) {
    const Json& value = need(key);
    if (!value.is_boolean()) fail(std::string("\"") + key + "\" is not true or false");
    return value.get<bool>();
  }
  float number(const char* key, float fallback) {
    const Json* value = find(key);
    if (value == nullptr) return fallback;
    if (!value->is_number()) fail(std::string("\"") + key + "\" is not a number");
    return value->get<float>();
  }

  void done() const {
    for (const auto& item : json_.items()) {
      if (seen_.count(item.key()) == 0) fail("has the unknown key \"" + item.key() + "\"");
    }
  }

 private:
  const Json& json_;
  std::string source_, where_;
  std::set<std::string> seen_;
};

UnitSpec read_unit(const Json& json, const std::string& source, std::size_t position) {
  Reader in(json, source, "unit " + std::to_string(position));
  UnitSpec u;
  u.name = in.text("name");
  const std::string kind = in.text("kind");
  bool known = false;
  for (const auto& [value, name] : kKinds) {
    if (kind != name) continue;
    u.kind = value;
    known = true;
  }
  if (!known) in.fail("has the unknown kind \"" + kind + "\"");
  u.out = u.kind == UnitKind::avg_pool ? in.integer("out", 0) : in.integer("out");
  u.kernel = in.integer("kernel", 1);
  u.stride = in.integer("stride", 1);
  u.pad = in.integer("pad", 0);
  u.batch_norm = in.flag("batch_norm");
  u.relu = in.flag("relu");
  u.pool_kernel = in.integer("pool_kernel", 0);
  u.pool_stride = in.integer("pool_stride", 0);
  u.dropout = in.number("dropout", 0.0f);
  if (in.find("add") != nullptr) u.add = in.text("add");
  if (in.find("input") != nullptr) u.input = in.text("input");
  u.groups = in.integer("groups", 1);
  in.done();
  return u;
}

Json write_unit(const UnitSpec& u) {
  Json json;
  json["name"] = u.name;
  json["kind"] = kind_name(u.kind);
  if (u.out != 0) json["out"] = u.out;
  if (u.kernel != 1) json["kernel"] = u.kernel;
  if (u.stride != 1) json["stride"] = u.stride;
  if (u.pad != 0) json["pad"] = u.pad;
  json["batch_norm"] = u.batch_norm;
  json["relu"] = u.relu;
  if (u.pool_kernel != 0) json["pool_kernel"] = u.pool_kernel;
  if (u.pool_stride != 0) json["pool_stride"] = u.pool_stride;
  if (u.dropout != 0.0f) json["dropout"] = u.dropout;
  if (!u.add.empty()) json["add"] = u.add;
  if (!u.input.empty()) json["input"] = u.input;
  if (u.groups != 1) json["groups"] = u.groups;
  return json;
}

}  // namespace

std::string to_json(const NetworkSpec& spec) {
  Json json;
  json["name"] = spec.name;
  json["height"] = spec.height;
  json["width"] = spec.width;
  json["channels"] = spec.channels;
  json["classes"] = spec.classes;
  json["units"] = Json::array();
  for (const UnitSpec& u : spec.units) json["units"].push_back(write_unit(u));
  return to_text(json);
}

namespace {

NetworkSpec read_network(const Json& json, const std::string& source) {
  Reader in(json, source, "the architecture");
  NetworkSpec spec;
  spec.name = in.text("name");
  spec.height = in.integer("height");
  spec.width = in.integer("width");
  spec.channels = in.integer("channels");
  spec.classes = in.integer("classes");
  const Json& units = in.need("units");
  if (!units.is_array()) in.fail("\"units\" is not an array");
  for (std::size_t i = 0; i < units.size(); ++i) {
    spec.units.push_back(read_unit(units[i], source, i));
  }
  in.done();
  try {
    infer_geometry(spec);
  } catch (const Error& error) {
    throw Error(source, error.what(), "correct the architecture or use another file");
  }
  return spec;
}

}  // namespace

NetworkSpec network_from_json(const std::string& text, const std::string& source) {
  const Json json = try_parse_json(text);
  if (json.is_discarded()) {
    throw Error(source, "the architecture is not valid JSON", "use a file written by intandem");
  }
  return read_network(json, source);
}

NetworkSpec network_from_file(const std::string& path) {
  return read_network(parse_json(read_file(path, "check the path given as network"), path, false),
                      path);
}

}  // namespace intandem
