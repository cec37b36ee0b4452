// The report and the small drawing code under it, on made-up inputs.
#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include "apps/commands/commands.hpp"
#include "apps/commands/training_profile.hpp"
#include "apps/print/figures.hpp"
#include "apps/print/png.hpp"
#include "apps/print/text_table.hpp"
#include "apps/report/report.hpp"
#include "apps/report/report_inputs.hpp"
#include "apps/report/svg_chart.hpp"
#include "data/image_file.hpp"
#include "tests/data/temporary_directory.hpp"
#include "tests/occurrences.hpp"

using namespace intandem;
using Catch::Contains;
using data_test::TemporaryDirectory;
using test::occurrences;

namespace {

/// Every tag that is opened is closed, in order; enough to notice a broken page.
void check_balanced(const std::string& html) {
  std::vector<std::string> open;
  for (auto at = html.find('<'); at != std::string::npos; at = html.find('<', at + 1)) {
    const auto end = html.find('>', at);
    REQUIRE(end != std::string::npos);
    const std::string tag = html.substr(at + 1, end - at - 1);
    const std::string name = tag.substr(0, tag.find_first_of(" \n/", 1));
    if (tag[0] == '!' || tag.back() == '/' || name == "meta" || name == "img" || name == "br") {
      continue;
    }
    if (tag[0] != '/') {
      open.push_back(name);
      continue;
    }
    INFO("at " << html.substr(at, 60));
    REQUIRE_FALSE(open.empty());
    REQUIRE("/" + open.back() == tag);
    open.pop_back();
  }
  CHECK(open.empty());
}

void write_run(const TemporaryDirectory& scratch) {
  Json results = {{"dataset", "fashion-mnist"},
                  {"network", "net<1>"},
                  {"class_names", {"Bag & \"co\"", "Coat"}},
                  {"images", 10000},
                  {"teacher_top1", 92.5},
                  {"headline", "w4a4"},
                  {"student_top1", 92.0}};
  results["students"]["w4a4"] = {{"weight_bits", 4},
                                 {"activation_bits", 4},
                                 {"student_top1", 92.0},
                                 {"mismatches", 0},
                                 {"verified_images", 10000},
                                 {"model_bytes", 123456},
                                 {"stage_hybrid_top1", {92.4, nullptr, 92.0}},
                                 {"sqnr_db", {20.5, 15.25}},
                                 {"confusion", {{95, 5}, {7, 93}}},
                                 {"layers",
                                  {{{"name", "conv1"}, {"shape", "28x28x1"}, {"weight_bits", 8}},
                                   {{"name", "fc2"}, {"m", 17000}, {"n", 20}, {"bound", 5}}}}};
  scratch.write("results.json", results.dump());
  scratch.write(
      "log.jsonl",
      R"({"job":"train","phase":"teacher","epoch":1,"loss":0.9,"held_out_top1":80,"train_top1":70}
{"job":"train","phase":"teacher","epoch":2,"loss":0.5,"held_out_top1":90,"train_top1":85}
{"phase":"stage","student":"w4a4","stage":1,"unit":"conv1","eval":0,"held_out_loss":0.5}
{"phase":"stage","student":"w4a4","stage":1,"unit":"conv1","eval":1,"held_out_loss":null}
{"phase":"joint","student":"w4a4","stage":2,"unit":"joint","eval":0,"held_out_loss":0.25}
{"phase":"joint","stud)");
  const std::string png = base64(encode_png(TensorU8::full({2, 2, 1}, 7)));
  const Json sample = {{"index", 3}, {"label", 0}, {"predicted", 1}, {"png", png}};
  scratch.write("w4a4.samples.json", Json({{"first", {sample}}}).dump());
}

}  // namespace

TEST_CASE("the report shows every part of a run and nothing from outside", "[apps]") {
  const TemporaryDirectory scratch;
  write_run(scratch);
  const std::string html = render_report(scratch.path());
  for (const char* part : {"92.50&nbsp;%", "92.00&nbsp;%", "&minus;0.50", "123,456", "&#10003; 0",
                           "net&lt;1&gt;", "Bag &amp; &quot;co&quot;", "data:image/png;base64,",
                           "17000&middot;2<sup>&minus;20</sup>", "Confusion", "is Bag",
                           "held-out images", "teacher 90.00 %", "prefers-color-scheme: dark"}) {
    CHECK_THAT(html, Contains(part));
  }
  CHECK_THAT(html, !Contains("net<1>") && !Contains("<script") && !Contains("http") &&
                       !Contains("nan") && !Contains("src=\"/"));
  CHECK(occurrences(html, "role=\"img\"") == 5);
  const auto body = html.find("<body>");
  check_balanced(html.substr(body, html.rfind("</html>") - body));
}

TEST_CASE("the report of a run that has only begun leaves out what is missing", "[apps]") {
  const TemporaryDirectory scratch;
  data_test::check_error([&] { render_report(scratch.path()); },
                         {scratch.path(), "neither results.json nor log.jsonl"});
  scratch.write("results.json", R"({"students": {"w2a2": {"weight_bits": 2}}, "images": 7})");
  const std::string html = render_report(scratch.path());
  CHECK_THAT(html, Contains("w2a2") && Contains("not verified") && !Contains("Confusion"));
  scratch.write("results.json", "{");
  data_test::check_error([&] { render_report(scratch.path()); }, {"results.json"});
}

TEST_CASE("files of a run that do not fit their format are named, with the key", "[apps]") {
  const TemporaryDirectory scratch;
  const auto check = [&](const std::string& file, const std::string& text,
                         const std::vector<std::string>& parts) {
    write_run(scratch);
    for (const char* other : {"config.json", "profile.json"}) scratch.write(other, "{}");
    scratch.write(file, text);
    INFO(text);
    data_test::check_error([&] { render_report(scratch.path()); }, parts);
  };
  check("results.json", "[]", {"results.json", "is not an object"});
  check("results.json", "7", {"results.json", "is not an object"});
  check("results.json", R"({"images": "many"})", {"results.json", "'images'", "number"});
  check("results.json", R"({"teacher_top1": [86]})", {"'teacher_top1'"});
  check("results.json", R"({"students": []})", {"'students'", "object"});
  check("results.json", R"({"students": {"w4a4": 3}})", {"'students.w4a4'"});
  check("results.json", R"({"students": {"w4a4": {"student_top1": true}}})",
        {"'students.w4a4.student_top1'"});
  check("results.json", R"({"students": {"w4a4": {"layers": [{"m": "x"}]}}})",
        {"'students.w4a4.layers[0].m'"});
  check("results.json", R"({"students": {"w4a4": {"confusion": [[1, 2], 3]}}})",
        {"'students.w4a4.confusion[1]'", "list"});
  check("results.json", R"({"students": {"w4a4": {"mismatches": 1e300}}})",
        {"'students.w4a4.mismatches'"});
  check("results.json", R"({"students": {"w4a4": {"model_bytes": -1}}})",
        {"'students.w4a4.model_bytes'"});
  check("results.json", R"({"class_names": ["a", 2]})", {"'class_names[1]'"});
  check("config.json", R"({"train": []})", {"config.json", "'train'"});
  check("config.json", R"({"train": {"command": 3}})", {"config.json", "'train.command'"});
  check("profile.json", R"({"rows": {}})", {"profile.json", "'rows'"});
  check("w4a4.samples.json", R"({"first": [1]})", {"w4a4.samples.json", "'first[0]'"});
  check("log.jsonl", "{\"job\": 3}\n", {"log.jsonl, line 1", "'job'"});
  check("log.jsonl", "{}\n[]\n", {"log.jsonl, line 2", "object"});
  check("log.jsonl", "{}\n{\n{}\n", {"log.jsonl, line 2", "JSON"});
}

TEST_CASE("a profile is shown as a table, on a terminal and in the report", "[apps]") {
  const TemporaryDirectory scratch;
  Profiler profiler;
  profiler.steps = 2;
  profiler.step_seconds = 3.9;
  profiler.epoch_seconds = 4.0;
  profiler.unit = profiler.unit_index("conv<1>");
  profiler.add("forward", 1.0, 50e9, 2e9);
  profiler.add("forward", 1.0, 50e9, 2e9);
  profiler.unit = profiler.unit_index("update");
  profiler.add("step", 0.5, 0, 4e9);
  const Json profile = profile_to_json(profiler, {200, 10});
  const auto cells = profile_cells(profile);
  REQUIRE(cells.size() == 4);
  CHECK(cells[1] == std::vector<std::string>{"conv<1>", "forward", "2", "1000.000", "50.0", "50.0",
                                             "25.0", "2.0"});
  CHECK(cells[2] ==
        std::vector<std::string>{"update", "step", "1", "250.000", "12.5", "-", "-", "8.0"});
  CHECK(cells[3][3] == "750.000");
  CHECK_THAT(profile_summary(profile), Contains("2 steps of 1950.00 ms") && Contains("2.56 %"));

  scratch.write("results.json", "{}");
  CHECK_THAT(render_report(scratch.path()), !Contains("spent its time"));
  scratch.write("profile.json", profile.dump());
  const std::string html = render_report(scratch.path());
  CHECK_THAT(html, Contains("conv&lt;1&gt;") && Contains("1000.000") && Contains("spent its time"));
  check_balanced(html.substr(html.find("<body>"), html.rfind("</html>") - html.find("<body>")));
  scratch.write("profile.json", R"({"rows": [{"phase": "forward"}]})");
  CHECK_THAT(render_report(scratch.path()), !Contains("nan"));
}

TEST_CASE("a report is named after its directory, however that is written", "[apps]") {
  CHECK(directory_name("/a/runs/demo") == "demo");
  CHECK(directory_name("/a/runs/demo/") == "demo");
  CHECK(directory_name("x/../demo/.") == "demo");
  CHECK(directory_name(".") == std::filesystem::current_path().filename().string());
  CHECK(directory_name("..") == std::filesystem::current_path().parent_path().filename().string());
}

TEST_CASE("ticks are round and inside the range", "[apps]") {
  CHECK(nice_ticks(0, 10, 5) == std::vector<double>{0, 2, 4, 6, 8, 10});
  CHECK(nice_ticks(-0.3, 0.3, 3).size() == 3);
  CHECK(nice_ticks(5, 5, 5) == std::vector<double>{5});
  for (const double low : {-3.7, 0.0, 0.001, 88.2, 1e6}) {
    for (const double extent : {1e-3, 0.7, 3.0, 1e4}) {
      const auto ticks = nice_ticks(low, low + extent, 5);
      INFO(low << " + " << extent);
      CHECK(ticks.size() >= 2);
      CHECK(ticks.size() <= 7);
      CHECK(ticks.front() >= low - 1e-6 * extent);
      CHECK(ticks.back() <= low + extent + 1e-6 * extent);
    }
  }
}

TEST_CASE("charts draw what is finite and scale it into the frame", "[apps]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  ChartSpec spec;
  spec.title = "a < b";
  spec.series = {{"one", {0, 1, 2, 3}, {1, nan, 3, 4}}, {"two", {0, 3}, {4, 1}}};
  const std::string svg = line_chart(spec);
  CHECK_THAT(svg, Contains("a &lt; b") && Contains("series-2") && !Contains("nan"));
  CHECK(occurrences(svg, "<circle") == 4);  // three points and the legend
  spec.series = {{"none", {0}, {nan}}};
  CHECK_THAT(line_chart(spec), Contains("no data"));
  spec.series = {{"flat", {1}, {5}}};
  CHECK_THAT(line_chart(spec), Contains("<circle") && !Contains("inf") && !Contains("nan"));
}

TEST_CASE("base64 and PNG read back", "[apps]") {
  CHECK(base64("") == "");  // RFC 4648, section 10
  CHECK(base64("f") == "Zg==");
  CHECK(base64("fo") == "Zm8=");
  CHECK(base64("foo") == "Zm9v");
  CHECK(base64("foobar") == "Zm9vYmFy");
  CHECK(base64("\xff\xfe") == "//4=");
  for (const std::int64_t channels : {1, 3}) {
    TensorU8 image({5, 7, channels});
    for (std::int64_t i = 0; i < image.size(); ++i) image[i] = static_cast<std::uint8_t>(i * 37);
    const TensorU8 again = decode_image(encode_png(image), "test", channels);
    REQUIRE(again.shape() == image.shape());
    CHECK(std::equal(image.begin(), image.end(), again.begin()));
  }
}

TEST_CASE("figures and tables print exactly", "[apps]") {
  CHECK(percent(9234, 10000) == 92.34);
  CHECK(percent(1, 3) == 33.33);
  CHECK(percent(0, 0) == 0.0);
  CHECK(fixed(0.125, 2) == "0.12");
  CHECK(grouped(0) == "0");
  CHECK(grouped(999) == "999");
  CHECK(grouped(1234567) == "1,234,567");
  CHECK(grouped(-1000) == "-1,000");
  TextTable table({"name", "n"});
  table.add({"größe", "7"});
  table.add({"x", "1,000"});
  CHECK(table.str() == "name       n\n-----  -----\ngröße      7\nx      1,000\n");
}
