// The results of a run as a table for the terminal.
#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/print/figures.hpp"
#include "apps/print/text_table.hpp"
#include "apps/report/report_inputs.hpp"

namespace intandem {
namespace {

std::string number(double x, int decimals) { return std::isfinite(x) ? fixed(x, decimals) : "-"; }

std::string count(double x) { return std::isfinite(x) ? grouped(std::llround(x)) : "-"; }

}  // namespace

std::string results_table(const ReportInputs& inputs) {
  const std::vector<TeacherRow> teachers = teachers_of(inputs);
  if (teachers.empty()) return {};
  TextTable table({"model", "arithmetic", "top-1 %", "top-5 %", "to teacher", "agreement", "bytes",
                   "mismatches"});
  for (const TeacherRow& teacher : teachers) {
    table.add({teacher.name, teacher.arithmetic, number(teacher.top1, 2), number(teacher.top5, 2),
               "", "", "", ""});
  }
  for (const auto& [name, student] : students_of(inputs).items()) {
    const std::string bits = "W" + number(number_of(student, "weight_bits"), 0) + "A" +
                             number(number_of(student, "activation_bits"), 0) + " integers";
    const auto row = [&, &key = name, &of = student](const std::string& model,
                                                     const std::string& prefix, bool trained) {
      const double top1 = number_of(of, (prefix + "top1").c_str());
      if (!std::isfinite(top1)) return;
      table.add({key + model, bits, number(top1, 2),
                 number(number_of(of, (prefix + "top5").c_str()), 2),
                 number(top1 - teacher_top1_of(inputs, of), 2),
                 number(number_of(of, (prefix + "agreement").c_str()), 2),
                 trained ? count(number_of(of, "model_bytes")) : "",
                 trained ? count(number_of(of, "mismatches")) : ""});
    };
    row(", folded per channel", "folded_per_channel_", false);
    row(", folded per layer", "folded_per_layer_", false);
    row(", tandem", "student_", true);
  }
  return table.str();
}

}  // namespace intandem
