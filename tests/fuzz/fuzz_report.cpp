// The files of a run that are read back. The input is results.json, log.jsonl, config.json,
// profile.json and w4a4.samples.json one after the other, a byte of 0 between two of them.
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "apps/report/report.hpp"
#include "apps/run/run_dir.hpp"
#include "tests/fuzz/harness.hpp"

using namespace intandem;

namespace {

constexpr const char* kFiles[] = {"results.json", "log.jsonl", "config.json", "profile.json",
                                  "w4a4.samples.json"};

/// A run directory, gone when the program ends.
class Run {
 public:
  Run() {
    std::string name = "/dev/shm/intandem-fuzz-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) fuzz::fail("no directory in /dev/shm");
    path_ = name;
  }
  ~Run() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

  void write(const std::string& texts) const {
    std::size_t begin = 0;
    for (const char* file : kFiles) {
      const std::string path = path_ + "/" + file;
      const std::size_t end = std::min(texts.find('\0', begin), texts.size());
      if (end == begin) {
        ::unlink(path.c_str());  // absent
      } else {
        std::ofstream(path, std::ios::binary) << texts.substr(begin, end - begin);
      }
      begin = std::min(end + 1, texts.size());
    }
  }

 private:
  std::string path_;
};

template <class F>
void refused_or_read(const F& f) {
  try {
    f();
  } catch (const Error&) {
  }
}

}  // namespace

INTANDEM_FUZZ(report) {
  static const Run run;
  run.write(fuzz::text_of(input));
  refused_or_read([&] { render_report(run.path()); });
  refused_or_read([&] { read_results(run.path()); });
  refused_or_read([&] {
    JobOptions options;
    options.run = run.path();
    options.resume = true;
    RunDir(options, "train").open_log(nullptr);
  });
}
