// What `make bench` prints and writes: a table while it runs, then JSON and plots.
#pragma once

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

namespace intandem::bench {

/// One benchmark. Names are paths; integer and float convolution layers are
/// "int_layers/NETWORK/LAYER/bN/WBAB/ALGORITHM/ISA/hot" and "conv2d_f32/NETWORK/LAYER/PASS/hot".
struct Figure {
  std::string name, unit, note;
  double ms = 0, rate = 0, peak_percent = 0;  ///< peak_percent 0: no peak known
};

/// Prints one line per benchmark and collects them.
class TableReporter : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context& context) override;
  void ReportRuns(const std::vector<Run>& runs) override;
  const std::vector<Figure>& figures() const { return figures_; }

 private:
  std::vector<Figure> figures_;
};

/// DIRECTORY/bench.json and one plot per network and batch; prints their names.
void write_report(const std::vector<Figure>& figures, const std::string& directory);

}  // namespace intandem::bench
