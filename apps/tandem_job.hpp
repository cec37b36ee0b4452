// What the commands that make or check a student have in common.
#pragma once

#include <cstdint>
#include <string>

#include "apps/config.hpp"
#include "apps/run_dir.hpp"
#include "core/json.hpp"
#include "data/dataset.hpp"
#include "distill/evaluate.hpp"
#include "distill/options.hpp"
#include "distill/teacher.hpp"
#include "quant/integer/model.hpp"

namespace intandem {

/// Fills in what depends on other keys or on the run: the student's name, the teacher's path and
/// the data directory the teacher was trained from. Usage error for a name that is no file name.
void complete(DistillConfig& config, const std::string& run);

/// The teacher and the parts of its dataset: the split it was trained with and the test images.
struct TandemInputs {
  Teacher teacher;
  Split split;
  Dataset test;
};
TandemInputs load_inputs(const DistillConfig& config);

DistillOptions distill_options(const DistillConfig& config, const ModelInfo& teacher);

/// Puts what is known of the teacher into results.json unless `train` has already done so.
void record_teacher(const std::string& run, TandemInputs& inputs);

/// Bits and options that tell one student from another, the first entries of its results.
Json student_figures(const DistillConfig& config);

/// [true class][predicted class]
Json confusion_json(const Evaluation& evaluation, std::int64_t classes);

/// Names, shapes, bits, (m, n), bounds, dead channels: the rows of the report's table.
Json layers_json(const IntModel& model);

/// Some test images with their predictions, for the report: the first ones, then the first that
/// are classified wrongly. Writes NAME.samples.json.
void save_samples(const std::string& path, const Dataset& test, const Evaluation& evaluation);

}  // namespace intandem
