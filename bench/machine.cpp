#include "bench/machine.hpp"

#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include "core/cpu.hpp"
#include "core/memory.hpp"
#include "core/processors.hpp"
#include "core/text.hpp"
#include "core/version.hpp"

namespace intandem::bench {
namespace {

using nlohmann::json;

std::string first_line(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

/// The first processor's "key : value" of /proc/cpuinfo, "" if there is none.
std::string cpuinfo(const std::string& key) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line) && !line.empty();) {
    const std::size_t colon = line.find(':');
    const std::size_t end = line.find_last_not_of(" \t", colon - 1);
    if (colon == std::string::npos || line.substr(0, end + 1) != key) continue;
    return colon + 2 <= line.size() ? line.substr(colon + 2) : std::string();
  }
  return {};
}

void put_number(json& machine, const char* name, const std::string& text) {
  if (!text.empty()) machine[name] = std::strtod(text.c_str(), nullptr);
}

json caches() {
  json list = json::array();
  for (int index = 0; index < 8; ++index) {
    const std::filesystem::path cache =
        "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index);
    const std::string level = first_line(cache / "level"), size = first_line(cache / "size");
    if (level.empty() || size.empty()) continue;
    list.push_back({{"level", std::atoi(level.c_str())},
                    {"type", first_line(cache / "type")},
                    {"kib", std::atoi(size.c_str())}});  // "1024K"
  }
  return list;
}

std::string own_command() {
  if (const char* command = std::getenv("BENCH_COMMAND"); command != nullptr && *command != '\0') {
    return command;
  }
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::string words{std::istreambuf_iterator<char>(file), {}};
  for (char& c : words) c = c == '\0' ? ' ' : c;
  while (!words.empty() && words.back() == ' ') words.pop_back();
  return words;
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M", &utc)};
}

std::string compiler() {
#if defined(__clang__)
  return std::string("clang ") + __clang_version__;
#elif defined(__GNUC__)
  return std::string("g++ ") + __VERSION__;
#else
  return "unknown";
#endif
}

}  // namespace

json describe_machine() {
  json machine = {{"cpu", cpuinfo("model name")},
                  {"processors", usable_processors()},
                  {"memory_gib", static_cast<double>(memory_limit_bytes()) / (1 << 30)},
                  {"caches", caches()},
                  {"isa_detected", std::string(isa_name(detected_isa()))},
                  {"compiler", compiler()},
                  {"commit", intandem_commit()},
                  {"date", utc_now()},
                  {"command", printable(own_command())}};
  put_number(machine, "family", cpuinfo("cpu family"));
  put_number(machine, "model", cpuinfo("model"));
  put_number(machine, "mhz", cpuinfo("cpu MHz"));
  put_number(machine, "load_average", first_line("/proc/loadavg"));
  return machine;
}

}  // namespace intandem::bench
