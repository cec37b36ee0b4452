#include "apps/sweep/sweep_report.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "apps/print/figures.hpp"
#include "apps/print/text_table.hpp"
#include "apps/report/page.hpp"
#include "core/file.hpp"

namespace intandem {
namespace {

constexpr const char* kMissing = "–";

constexpr const char* kLegend =
    "Means over the seeds, ± their standard deviation where there are several. Figures are of the "
    "test images, students in the integer engine. To teacher: top-1 points above or below the "
    "float teacher. Agreement: images for which student and teacher predict the same class. "
    "Held-out loss: that of the joint phase (equation D7), where there is one. Mismatches: codes, "
    "in all layers, images and seeds, in which the simulation that was trained and the integer "
    "engine differ. Passes: over the training images, in training steps of any kind. Time: "
    "seconds of training per seed on the threads named, without loading data and tests.";

std::string number(double value, int decimals) {
  return std::isfinite(value) ? fixed(value, decimals) : kMissing;
}

std::string seconds_text(double seconds) { return number(seconds, seconds < 100 ? 1 : 0); }

std::string signed_number(double value, int decimals) {
  if (!std::isfinite(value)) return kMissing;
  const std::string text = fixed(std::fabs(value), decimals);
  return (value < 0 ? "−" : "+") + text;
}

std::string spread(const Samples& samples, int decimals) {
  const double deviation = samples.deviation();
  return number(samples.mean(), decimals) +
         (std::isfinite(deviation) ? " ± " + fixed(deviation, decimals) : "");
}

template <class Set, class Text>
std::string joined(const Set& items, const std::string& between, const Text& text) {
  std::string list;
  for (const auto& item : items) list += (list.empty() ? "" : between) + text(item);
  return list.empty() ? kMissing : list;
}

std::string seeds_text(const SweepRow& row) {
  const auto text = [](std::int64_t seed) { return std::to_string(seed); };
  std::string list = joined(row.seeds, ", ", text);
  const int missing = row.wanted - static_cast<int>(row.seeds.size());
  if (missing > 0) list += " (" + std::to_string(missing) + " not done)";
  return list;
}

std::string mismatches_text(const SweepRow& row) {
  if (!row.in_integers || row.verified == 0) return kMissing;
  std::string text = grouped(row.mismatches);
  if (row.verified < static_cast<int>(row.seeds.size())) text += " (not all verified)";
  return text;
}

std::vector<std::string> row_cells(const SweepRow& row) {
  const auto text = [](std::int64_t threads) { return std::to_string(threads); };
  return {row.label,
          seeds_text(row),
          spread(row.top1, 2),
          spread(row.top5, 2),
          signed_number(row.to_teacher.mean(), 2),
          spread(row.agreement, 2),
          spread(row.held_out_loss, 4),
          mismatches_text(row),
          number(row.passes.mean(), 2),
          seconds_text(row.seconds.mean()),
          joined(row.threads, ", ", text),
          joined(row.commits, ", ", [](const std::string& commit) { return commit; })};
}

std::string heading(const SweepTeacher& teacher, const std::string& group) {
  std::string text = teacher.name;
  if (!group.empty()) text += ", " + group;
  if (teacher.images > 0) {
    text += ": " + teacher.network + " on " + teacher.dataset + ", " + grouped(teacher.images) +
            " test images";
  }
  return text;
}

bool has_rows(const SweepResults& sweep, const SweepTeacher& teacher, const std::string& group) {
  return std::any_of(sweep.rows.begin(), sweep.rows.end(), [&](const SweepRow& row) {
    return row.teacher == teacher.name && row.group == group;
  });
}

template <class Visit>
void for_each_table(const SweepResults& sweep, const Visit& visit) {
  for (const SweepTeacher& teacher : sweep.teachers) {
    for (const std::string& group : sweep.groups) {
      if (has_rows(sweep, teacher, group)) visit(teacher, group);
    }
  }
}

/// A command with what it is for: teachers, then the first seed of every row.
std::vector<std::pair<std::string, std::string>> commands_of(const SweepResults& sweep) {
  std::vector<std::pair<std::string, std::string>> commands;
  for (const SweepTeacher& teacher : sweep.teachers) {
    if (!teacher.command.empty()) commands.emplace_back("teacher " + teacher.name, teacher.command);
  }
  for (const SweepRow& row : sweep.rows) {
    const std::string what =
        row.teacher + (row.group.empty() ? "" : ", " + row.group) + ", " + row.label;
    // A baseline's two rows come from one command.
    if (!commands.empty() && commands.back().second == row.command) {
      commands.back().first += "; " + row.label;
    } else {
      commands.emplace_back(what, row.command);
    }
  }
  return commands;
}

std::string markdown_cell(const std::string& text) {
  std::string escaped;
  for (const char c : text) escaped += c == '|' ? std::string("\\|") : std::string(1, c);
  return escaped;
}

std::string markdown_table(const std::vector<std::vector<std::string>>& rows) {
  std::string text;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (const std::string& cell : rows[i]) text += "| " + markdown_cell(cell) + " ";
    text += "|\n";
    if (i > 0) continue;
    for (std::size_t j = 0; j < rows[i].size(); ++j) text += j == 0 ? "|---" : "|--:";
    text += "|\n";
  }
  return text;
}

std::string markdown_page(const std::vector<SweepResults>& sweeps, const std::string& source,
                          const std::vector<std::pair<std::string, std::string>>& pictures) {
  std::string text = "<!-- Written by `" + source + "`; changes by hand will be lost. -->\n";
  text += "# Accuracy\n\n" + std::string(kLegend) + " The command of each row, with its first " +
          "seed, is at the end of its section.\n";
  std::size_t picture = 0;
  for (const SweepResults& sweep : sweeps) {
    text += "\n## " + sweep.title + "\n";
    if (sweep.done < sweep.jobs) {
      text += "\nUnfinished: " + std::to_string(sweep.done) + " of " + std::to_string(sweep.jobs) +
              " jobs are done.\n";
    }
    for_each_table(sweep, [&](const SweepTeacher& teacher, const std::string& group) {
      text += "\n### " + heading(teacher, group) + "\n\n" +
              markdown_table(sweep_table(sweep, teacher, group));
    });
    for (std::size_t i = 0; i < sweep_charts(sweep).size(); ++i, ++picture) {
      text += "\n![" + pictures[picture].first + "](" + pictures[picture].second + ")\n";
    }
    text += "\n### Commands: " + sweep.title + "\n\n";
    for (const auto& [what, command] : commands_of(sweep)) {
      text += "- " + what + ":\n  `" + command + "`\n";
    }
  }
  return text;
}

std::string html_rows(const std::vector<std::vector<std::string>>& cells) {
  std::string rows;
  for (std::size_t i = 1; i < cells.size(); ++i) {
    rows += html_row_head(cells[i][0]);
    for (std::size_t j = 1; j < cells[i].size(); ++j) rows += html_cell(html_escape(cells[i][j]));
    rows += "</tr>";
  }
  return rows;
}

std::string html_body(const std::vector<SweepResults>& sweeps) {
  std::string html = "<section><p>" + html_escape(kLegend) + "</p></section>\n";
  for (const SweepResults& sweep : sweeps) {
    html += "<section><h2>" + html_escape(sweep.title) + "</h2>\n";
    html += "<p>" + std::to_string(sweep.done) + " of " + std::to_string(sweep.jobs) +
            " jobs are done.</p>\n";
    for_each_table(sweep, [&](const SweepTeacher& teacher, const std::string& group) {
      const auto cells = sweep_table(sweep, teacher, group);
      html += html_table(html_escape(heading(teacher, group)), cells.front(), html_rows(cells));
    });
    std::string figures;
    for (const ChartSpec& chart : sweep_charts(sweep)) figures += line_chart(chart);
    if (!figures.empty()) html += "<div class=\"figures\">" + figures + "</div>\n";
    std::string rows;
    for (const auto& [what, command] : commands_of(sweep)) {
      rows += html_row_head(what) + "<td class=\"text\"><code>" + html_escape(command) +
              "</code></td></tr>";
    }
    html += "<details><summary>Commands, first seed of each row</summary>" +
            html_table("Commands", {"row", "command"}, rows) + "</details></section>\n";
  }
  return html;
}

}  // namespace

bool is_sweep(const std::string& directory) { return file_exists(directory + "/" + kSweepPlan); }

std::vector<std::vector<std::string>> sweep_table(const SweepResults& sweep,
                                                  const SweepTeacher& teacher,
                                                  const std::string& group) {
  std::vector<std::vector<std::string>> rows = {
      {"method", "seeds", "top-1 %", "top-5 %", "to teacher", "agreement %", "held-out loss",
       "mismatches", "passes", "time, s", "threads", "commit"}};
  rows.push_back({"float teacher with batch norm", "", number(teacher.top1, 2),
                  number(teacher.top5, 2), "", "", "", "", "", seconds_text(teacher.seconds), "",
                  teacher.commit.empty() ? kMissing : teacher.commit});
  for (const SweepRow& row : sweep.rows) {
    if (row.teacher == teacher.name && row.group == group) rows.push_back(row_cells(row));
  }
  return rows;
}

std::string write_sweep_report(const std::vector<std::string>& directories,
                               const std::string& html_path, const std::string& markdown_path) {
  std::vector<SweepResults> sweeps;
  std::string source = "intandem report", titles, terminal;
  for (const std::string& directory : directories) {
    sweeps.push_back(read_sweep_results(directory));
    source += " --run " + directory;
    titles += (titles.empty() ? "" : "; ") + sweeps.back().title;
  }
  source += " --markdown " + markdown_path;
  const std::filesystem::path page(markdown_path);
  std::vector<std::pair<std::string, std::string>> pictures;
  for (const SweepResults& sweep : sweeps) {
    for (const ChartSpec& chart : sweep_charts(sweep)) {
      const std::string name =
          page.stem().string() + "-" + std::to_string(pictures.size() + 1) + ".svg";
      write_file_atomic((page.parent_path() / name).string(), line_chart_file(chart));
      pictures.emplace_back(chart.title, name);
    }
    for_each_table(sweep, [&](const SweepTeacher& teacher, const std::string& group) {
      const auto cells = sweep_table(sweep, teacher, group);
      TextTable table(cells.front());
      for (std::size_t i = 1; i < cells.size(); ++i) table.add(cells[i]);
      terminal += (terminal.empty() ? "" : "\n") + heading(teacher, group) + "\n" + table.str();
    });
  }
  write_file_atomic(markdown_path, markdown_page(sweeps, source, pictures));
  write_file_atomic(html_path, html_page(html_escape(titles), "a sweep", html_body(sweeps)));
  return terminal;
}

std::string write_sweep_report(const std::string& directory) {
  return write_sweep_report({directory}, directory + "/report.html", directory + "/report.md");
}

}  // namespace intandem
