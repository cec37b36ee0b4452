#include "apps/run/run_files.hpp"

#include <cmath>
#include <map>
#include <sstream>

#include "core/error.hpp"
#include "core/file.hpp"

namespace intandem {
namespace {

enum class Type {
  text,
  truth,
  number,    ///< finite, of a size that all uses can bear
  count,     ///< a number of things: 0 or more
  optional,  ///< a number or null
  list,
  object,
};
/// By place: "/students/*/layers/[]/m"; "*" is any key, "[]" any element. Below a place that is not
/// listed nothing is looked at.
using Schema = std::map<std::string, Type>;

constexpr double kLargest = 1e15;
constexpr const char* kRemedy = "restore it, or run again with --overwrite";

bool fits(const Json& value, Type type) {
  const double x = value.is_number() ? value.get<double>() : 0.0;
  const bool bearable = value.is_number() && std::fabs(x) <= kLargest;
  switch (type) {
    case Type::text:
      return value.is_string();
    case Type::truth:
      return value.is_boolean();
    case Type::number:
      return bearable;
    case Type::count:
      return bearable && x >= 0;
    case Type::optional:
      return bearable || value.is_null();
    case Type::list:
      return value.is_array();
    case Type::object:
      break;
  }
  return value.is_object();
}

const char* name_of(Type type) {
  switch (type) {
    case Type::text:
      return "a text";
    case Type::truth:
      return "true or false";
    case Type::number:
      return "a number (up to 1e15)";
    case Type::count:
      return "a number from 0 to 1e15";
    case Type::optional:
      return "a number or null";
    case Type::list:
      return "a list";
    case Type::object:
      break;
  }
  return "an object";
}

/// place: in the schema's terms; shown: with the keys as they are.
void check(const Json& value, const Schema& schema, const std::string& place,
           const std::string& shown, const std::string& path) {
  const auto rule = schema.find(place);
  if (rule == schema.end()) return;
  if (!fits(value, rule->second)) {
    throw Error(path,
                (shown.empty() ? std::string("its content") : "'" + shown + "'") + " is not " +
                    name_of(rule->second),
                kRemedy);
  }
  if (value.is_array()) {
    for (std::size_t i = 0; i < value.size(); ++i) {
      check(value[i], schema, place + "/[]", shown + "[" + std::to_string(i) + "]", path);
    }
  } else if (value.is_object()) {
    const bool any_key = schema.count(place + "/*") > 0;
    for (const auto& [key, member] : value.items()) {
      check(member, schema, place + "/" + (any_key ? "*" : key),
            shown.empty() ? key : shown + "." + key, path);
    }
  }
}

void add(Schema& schema, const std::string& prefix, Type type,
         const std::vector<const char*>& keys) {
  for (const char* key : keys) schema[prefix + key] = type;
}

Schema results_schema() {
  Schema schema = {{"", Type::object},
                   {"/class_names", Type::list},
                   {"/class_names/[]", Type::text},
                   {"/students", Type::object},
                   {"/students/*", Type::object}};
  add(schema, "/", Type::text,
      {"dataset", "network", "headline", "teacher_crc", "teacher_arithmetic"});
  add(schema, "/", Type::count,
      {"seed", "images", "teacher_top1", "teacher_top5", "teacher_correct", "teacher_seconds",
       "seconds_total"});
  // The headline student's figures stand at the top level, too.
  for (const std::string& prefix : {std::string("/"), std::string("/students/*/")}) {
    add(schema, prefix, Type::text,
        {"overrides", "quantizer", "weight_quantizer", "activation_quantizer"});
    add(schema, prefix, Type::count,
        {"weight_bits", "activation_bits", "first_last_weight_bits", "student_top1", "student_top5",
         "student_correct", "student_agreement", "held_out_loss", "train_images", "passes",
         "model_bytes", "seconds", "threads", "baseline_seconds", "verified_images"});
    for (const std::string& kind : {std::string("per_channel"), std::string("per_layer")}) {
      add(schema, prefix + "folded_" + kind, Type::count,
          {"_top1", "_top5", "_correct", "_agreement"});
    }
    schema[prefix + "mismatches"] = Type::optional;
  }
  const std::string student = "/students/*/";
  add(schema, student, Type::count, {"seed", "images", "teacher_top1", "teacher_top5"});
  add(schema, student, Type::text, {"teacher_crc"});
  add(schema, student, Type::list, {"stage_hybrid_top1", "sqnr_db", "confusion", "layers"});
  schema[student + "stage_hybrid_top1/[]"] = Type::optional;
  schema[student + "sqnr_db/[]"] = Type::optional;
  schema[student + "confusion/[]"] = Type::list;
  schema[student + "confusion/[]/[]"] = Type::count;
  schema[student + "layers/[]"] = Type::object;
  add(schema, student + "layers/[]/", Type::text, {"name", "shape"});
  add(schema, student + "layers/[]/", Type::count,
      {"weight_bits", "in_bits", "out_bits", "macs", "weight_bytes", "bound", "zero_channels", "m",
       "n"});
  return schema;
}

Schema config_schema() {
  Schema schema = {{"", Type::object}, {"/*", Type::object}, {"/*/config", Type::object}};
  add(schema, "/*/", Type::text, {"command", "version", "commit", "started", "finished"});
  return schema;
}

Schema log_schema() {
  Schema schema = {{"", Type::object}};
  add(schema, "/", Type::text, {"job", "phase", "student", "unit"});
  add(schema, "/", Type::truth, {"best"});
  add(schema, "/", Type::count, {"stage", "eval", "step", "epoch", "seconds"});
  add(schema, "/", Type::optional,
      {"lr", "loss", "local_loss", "ce_loss", "kd_loss", "inner_loss", "held_out_loss",
       "hybrid_top1", "train_top1", "held_out_top1", "held_out_correct"});
  return schema;
}

Schema samples_schema() {
  Schema schema = {{"", Type::object}};
  for (const std::string& list : {std::string("/first"), std::string("/wrong")}) {
    schema[list] = Type::list;
    schema[list + "/[]"] = Type::object;
    add(schema, list + "/[]/", Type::count, {"index", "label", "predicted"});
    add(schema, list + "/[]/", Type::text, {"png"});
  }
  return schema;
}

Schema profile_schema() {
  Schema schema = {{"", Type::object}, {"/rows", Type::list}, {"/rows/[]", Type::object}};
  add(schema, "/", Type::count, {"steps", "step_seconds", "epoch_seconds", "threads"});
  add(schema, "/", Type::optional, {"fma_peak_gflops", "copy_gbytes_per_s"});
  add(schema, "/rows/[]/", Type::text, {"unit", "phase"});
  add(schema, "/rows/[]/", Type::optional, {"calls", "seconds"});
  return schema;
}

Schema plan_schema() {
  Schema schema = {{"", Type::object},
                   {"/title", Type::text},
                   {"/jobs", Type::list},
                   {"/jobs/[]", Type::object},
                   {"/jobs/[]/settings", Type::object}};
  add(schema, "/jobs/[]/", Type::count, {"number", "seed"});
  add(schema, "/jobs/[]/", Type::text,
      {"kind", "label", "series", "group", "teacher", "teacher_file", "name", "directory",
       "command"});
  return schema;
}

Json read_checked(const std::string& path, const Schema& schema) {
  if (!file_exists(path)) return Json::object();
  Json json = parse_json(read_file(path, "check its permissions"), path, false);
  check(json, schema, "", "", path);
  return json;
}

}  // namespace

Json read_results_file(const std::string& path) { return read_checked(path, results_schema()); }
Json read_config_file(const std::string& path) { return read_checked(path, config_schema()); }
Json read_profile_file(const std::string& path) { return read_checked(path, profile_schema()); }
Json read_samples_file(const std::string& path) { return read_checked(path, samples_schema()); }
Json read_plan_file(const std::string& path) { return read_checked(path, plan_schema()); }

std::vector<Json> read_log_file(const std::string& path) {
  std::vector<Json> lines;
  if (!file_exists(path)) return lines;
  const Schema schema = log_schema();
  const std::string all = read_file(path, "check its permissions");
  std::istringstream texts(all);
  std::string text;
  for (std::size_t number = 1; std::getline(texts, text); ++number) {
    Json line = try_parse_json(text);
    if (line.is_discarded() && texts.eof()) break;
    const std::string where = path + ", line " + std::to_string(number);
    if (line.is_discarded()) throw Error(where, "is not valid JSON", "restore or remove that line");
    check(line, schema, "", "", where);
    lines.push_back(std::move(line));
  }
  return lines;
}

double required_number(const Json& object, const char* key, const std::string& path) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) {
    throw Error(path, "holds no number '" + std::string(key) + "'", kRemedy);
  }
  return found->get<double>();
}

const Json& required_object(const Json& object, const char* key, const std::string& path) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_object()) {
    throw Error(path, "holds no '" + std::string(key) + "'", kRemedy);
  }
  return *found;
}

}  // namespace intandem
