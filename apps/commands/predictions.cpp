#include "apps/commands/predictions.hpp"

#include <algorithm>
#include <cstdio>

namespace intandem {
namespace {

/// A CSV field: in quotes where it holds a comma, a quote or a line end.
std::string field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

std::string number(std::int32_t logit) { return std::to_string(logit); }
std::string number(float logit) {
  char text[32];
  const int length = std::snprintf(text, sizeof text, "%.9g", static_cast<double>(logit));
  return {text, static_cast<std::size_t>(length)};
}

void write(AtomicWriter& file, const std::string& text) {
  file.write(text.data(), static_cast<std::int64_t>(text.size()));
}

}  // namespace

template <class T>
LogitSink<T> PredictionFile::sink(const Dataset& data) {
  std::string header = "image,label,label_name,prediction,prediction_name";
  for (std::int64_t c = 0; c < data.classes; ++c) header += ",logit_" + std::to_string(c);
  write(file_, header + "\n");
  return [this, &data](std::int64_t first, std::int64_t N, const T* logits) {
    const auto name = [&](std::int64_t c) {
      return field(data.class_names[static_cast<std::size_t>(c)]);
    };
    std::string lines;
    for (std::int64_t n = 0; n < N; ++n) {
      const T* row = logits + n * data.classes;
      const std::int64_t label = data.labels[static_cast<std::size_t>(first + n)];
      const std::int64_t predicted = std::max_element(row, row + data.classes) - row;
      lines += std::to_string(first + n) + "," + std::to_string(label) + "," + name(label) + "," +
               std::to_string(predicted) + "," + name(predicted);
      for (std::int64_t c = 0; c < data.classes; ++c) lines += "," + number(row[c]);
      lines += "\n";
    }
    write(file_, lines);
  };
}

template LogitSink<float> PredictionFile::sink(const Dataset& data);
template LogitSink<std::int32_t> PredictionFile::sink(const Dataset& data);

}  // namespace intandem
