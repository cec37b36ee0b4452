// The results of a run as a table for the terminal.
#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/figures.hpp"
#include "apps/report/report_inputs.hpp"
#include "apps/text_table.hpp"

namespace intandem {
namespace {

std::string number(double x, int decimals) { return std::isfinite(x) ? fixed(x, decimals) : "-"; }

std::string count(double x) { return std::isfinite(x) ? grouped(std::llround(x)) : "-"; }

}  // namespace

std::string results_table(const ReportInputs& inputs) {
  const double teacher = number_of(inputs.results, "teacher_top1");
  if (!std::isfinite(teacher)) return {};
  TextTable table({"model", "arithmetic", "top-1 %", "to teacher", "bytes", "mismatches"});
  table.add({"teacher", "float, batch norm", number(teacher, 2), "", "", ""});
  for (const auto& [name, student] : students_of(inputs).items()) {
    const std::string bits = "W" + number(number_of(student, "weight_bits"), 0) + "A" +
                             number(number_of(student, "activation_bits"), 0) + " integers";
    const auto row = [&, &key = name, &of = student](const std::string& model, const char* figure,
                                                     bool trained) {
      const double top1 = number_of(of, figure);
      if (!std::isfinite(top1)) return;
      table.add({key + model, bits, number(top1, 2), number(top1 - teacher, 2),
                 trained ? count(number_of(of, "model_bytes")) : "",
                 trained ? count(number_of(of, "mismatches")) : ""});
    };
    row(", folded per channel", "folded_per_channel_top1", false);
    row(", folded per layer", "folded_per_layer_top1", false);
    row(", tandem", "student_top1", true);
  }
  return table.str();
}

}  // namespace intandem
