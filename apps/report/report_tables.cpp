// The sections of the report that are tables and images.
#include <algorithm>
#include <cmath>

#include "apps/commands/training_profile.hpp"
#include "apps/print/figures.hpp"
#include "apps/report/page.hpp"
#include "apps/report/report_inputs.hpp"
#include "apps/report/svg_chart.hpp"

namespace intandem {
namespace {

constexpr const char* kMissing = "&ndash;";

std::string percent_text(double value) {
  return std::isfinite(value) ? fixed(value, 2) + "&nbsp;%" : kMissing;
}

std::string count_text(double value) {
  return std::isfinite(value) ? grouped(std::llround(value)) : kMissing;
}

std::string number_text(double value) { return std::isfinite(value) ? fixed(value, 0) : kMissing; }

std::string verified_text(const Json& student) {
  const double mismatches = number_of(student, "mismatches");
  if (!std::isfinite(mismatches)) return "not verified";
  const std::string images = " in " + count_text(number_of(student, "verified_images")) + " images";
  return mismatches == 0
             ? "<span class=\"good\">&#10003; 0</span>" + images
             : "<span class=\"bad\">&#10007; " + count_text(mismatches) + "</span>" + images;
}

std::string confusion_table(const ReportInputs& inputs, const std::string& name,
                            const Json& matrix) {
  std::vector<std::string> header = {"true \\ predicted"};
  std::string rows;
  for (std::size_t i = 0; i < matrix.size(); ++i) {
    header.push_back(html_escape(class_name(inputs, i)));
    double total = 0;
    for (const Json& count : matrix[i]) total += count.is_number() ? count.get<double>() : 0;
    rows += html_row_head(class_name(inputs, i));
    for (std::size_t j = 0; j < matrix[i].size(); ++j) {
      const double count = matrix[i][j].is_number() ? matrix[i][j].get<double>() : 0;
      // The square root lets the few mistakes be seen beside the many hits.
      const double shade = total > 0 ? 100.0 * std::sqrt(count / total) : 0;
      rows += "<td class=\"" + std::string(i == j ? "hit" : "miss") +
              "\" style=\"--shade:" + fixed(shade, 0) + "%\">" +
              (count > 0 ? grouped(std::llround(count)) : "") + "</td>";
    }
    rows += "</tr>";
  }
  return html_table(
      html_escape(name) + " on the test images: rows are true classes, columns predictions", header,
      rows);
}

std::string image_tile(const ReportInputs& inputs, const Json& sample) {
  const std::string png = text_of(sample, "png");
  const double label = number_of(sample, "label"), predicted = number_of(sample, "predicted");
  if (png.empty() || !(label >= 0) || !(predicted >= 0)) return {};
  const std::string truth = class_name(inputs, static_cast<std::size_t>(label));
  const std::string guess = class_name(inputs, static_cast<std::size_t>(predicted));
  const bool right = label == predicted;
  std::string html = "<figure class=\"tile " + std::string(right ? "right" : "wrong") + "\">";
  html += "<img alt=\"test image " + number_text(number_of(sample, "index")) + ": " +
          html_escape(truth) + "\" src=\"data:image/png;base64," + html_escape(png) + "\">";
  html += "<figcaption>" + std::string(right ? "&#10003; " : "&#10007; ") + html_escape(guess);
  if (!right) html += "<br><small>is " + html_escape(truth) + "</small>";
  return html + "</figcaption></figure>";
}

}  // namespace

std::string results_section(const ReportInputs& inputs) {
  std::string rows;
  for (const TeacherRow& teacher : teachers_of(inputs)) {
    rows += html_row_head(teacher.name) + html_cell(teacher.arithmetic) +
            html_cell(percent_text(teacher.top1)) + html_cell(percent_text(teacher.top5));
    for (int i = 0; i < 6; ++i) rows += html_cell(kMissing);
    rows += "</tr>";
  }
  for (const auto& [name, student] : students_of(inputs).items()) {
    const double top1 = number_of(student, "student_top1");
    const double distance = top1 - teacher_top1_of(inputs, student);
    rows += html_row_head(name) +
            html_cell("W" + number_text(number_of(student, "weight_bits")) + " A" +
                      number_text(number_of(student, "activation_bits")) + ", integer") +
            html_cell("<strong>" + percent_text(top1) + "</strong>") +
            html_cell(percent_text(number_of(student, "student_top5"))) +
            html_cell(std::isfinite(distance)
                          ? (distance >= 0 ? "+" : "&minus;") + fixed(std::fabs(distance), 2)
                          : kMissing) +
            html_cell(percent_text(number_of(student, "student_agreement"))) +
            html_cell(percent_text(number_of(student, "folded_per_channel_top1"))) +
            html_cell(percent_text(number_of(student, "folded_per_layer_top1"))) +
            html_cell(count_text(number_of(student, "model_bytes"))) +
            html_cell(verified_text(student)) + "</tr>";
  }
  if (rows.empty()) return {};
  return "<section><h2>Results</h2>\n" +
         html_table(
             "Accuracy on " + count_text(number_of(inputs.results, "images")) + " test images",
             {"model", "arithmetic", "top-1", "top-5", "points to teacher", "agreement",
              "folded per channel, untrained", "folded per layer, untrained", "bytes",
              "mismatches"},
             rows) +
         "<p class=\"note\">Agreement: test images for which student and teacher predict the same "
         "class. Folded: the teacher's batch norm folded into weights, then quantized without "
         "training; top-1. Mismatches: codes of any layer in which the simulation that was "
         "trained and the integer engine differ.</p></section>\n";
}

std::string confusion_section(const ReportInputs& inputs) {
  std::string tables;
  for (const auto& [name, student] : students_of(inputs).items()) {
    const Json& matrix = array_of(student, "confusion");
    if (matrix.empty()) continue;
    tables += "<details" + std::string(tables.empty() ? " open" : "") + "><summary>" +
              html_escape(name) + "</summary>" + confusion_table(inputs, name, matrix) +
              "</details>\n";
  }
  return tables.empty()
             ? tables
             : "<section class=\"confusion\"><h2>Confusion</h2>\n" + tables + "</section>\n";
}

std::string images_section(const ReportInputs& inputs) {
  std::string html;
  for (const auto& [name, student] : students_of(inputs).items()) {
    const auto samples = inputs.samples.find(name);
    if (samples == inputs.samples.end()) continue;
    std::string parts;
    for (const auto& [key, heading] :
         {std::pair{"first", "the first test images"}, std::pair{"wrong", "the next mistakes"}}) {
      std::string tiles;
      for (const Json& sample : array_of(samples->second, key)) tiles += image_tile(inputs, sample);
      if (tiles.empty()) continue;
      parts += "<h3>" + html_escape(name) + ": " + heading + "</h3><div class=\"tiles\">" + tiles +
               "</div>\n";
    }
    if (parts.empty()) continue;
    html += "<details" + std::string(html.empty() ? " open" : "") + "><summary>" +
            html_escape(name) + "</summary>" + parts + "</details>\n";
  }
  return html.empty() ? html : "<section><h2>Predictions</h2>\n" + html + "</section>\n";
}

std::string layers_section(const ReportInputs& inputs) {
  std::string tables;
  for (const auto& [name, student] : students_of(inputs).items()) {
    std::string rows;
    for (const Json& layer : array_of(student, "layers")) {
      const double m = number_of(layer, "m");
      rows += html_row_head(text_of(layer, "name")) + "<td class=\"text\">" +
              html_escape(text_of(layer, "shape")) + "</td>" +
              html_cell(number_text(number_of(layer, "weight_bits"))) +
              html_cell("u" + number_text(number_of(layer, "in_bits"))) +
              html_cell((number_of(layer, "out_bits") == 32 ? "s" : "u") +
                        number_text(number_of(layer, "out_bits"))) +
              html_cell(count_text(number_of(layer, "macs"))) +
              html_cell(count_text(number_of(layer, "weight_bytes"))) +
              html_cell(std::isfinite(m) ? number_text(m) + "&middot;2<sup>&minus;" +
                                               number_text(number_of(layer, "n")) + "</sup>"
                                         : kMissing) +
              html_cell(count_text(number_of(layer, "bound"))) +
              html_cell(number_text(number_of(layer, "zero_channels"))) + "</tr>";
    }
    if (rows.empty()) continue;
    tables += "<details" + std::string(tables.empty() ? " open" : "") + "><summary>" +
              html_escape(name) + "</summary>" +
              html_table("Integer layers of " + html_escape(name),
                         {"layer", "shape", "W bits", "in", "out", "MACs", "weight bytes", "scale",
                          "|acc| &le;", "zero channels"},
                         rows) +
              "</details>\n";
  }
  if (tables.empty()) return {};
  return "<section><h2>Integer layers</h2>\n<p>Every layer computes out = clamp((acc&middot;m + "
         "2<sup>n&minus;1</sup>) &raquo; n) with one integer scale m&middot;2<sup>&minus;n</sup> "
         "per "
         "layer and no batch norm.</p>\n" +
         tables + "</section>\n";
}

std::string profile_section(const ReportInputs& inputs) {
  if (array_of(inputs.profile, "rows").empty()) return {};
  const auto cells = profile_cells(inputs.profile);
  std::string rows;
  for (std::size_t i = 1; i < cells.size(); ++i) {
    rows += html_row_head(cells[i][0]) + "<td class=\"text\">" + html_escape(cells[i][1]) + "</td>";
    for (std::size_t j = 2; j < cells[i].size(); ++j) rows += html_cell(html_escape(cells[i][j]));
    rows += "</tr>";
  }
  return "<section><h2>Where training spent its time</h2>\n<p>" +
         html_escape(profile_summary(inputs.profile)) +
         ". GFLOPS and GB/s count what the operation is defined to do, each operand read and each "
         "result written once per necessary pass.</p>\n" +
         html_table("Time per training step, by unit and phase", cells[0], rows) + "</section>\n";
}

std::string provenance_section(const ReportInputs& inputs) {
  std::string rows;
  for (const auto& [job, entry] : inputs.config.items()) {
    rows +=
        html_row_head(job) + "<td class=\"text\"><code>" + html_escape(text_of(entry, "command")) +
        "</code></td>" + html_cell(html_escape(text_of(entry, "commit"))) +
        html_cell(html_escape(text_of(entry, "started"))) +
        html_cell(text_of(entry, "finished").empty() ? "unfinished"
                                                     : html_escape(text_of(entry, "finished"))) +
        "</tr>";
  }
  if (rows.empty()) return {};
  return "<section><h2>How it was made</h2>\n" +
         html_table("Commands of this run", {"job", "command", "commit", "started", "finished"},
                    rows) +
         "</section>\n";
}

}  // namespace intandem
