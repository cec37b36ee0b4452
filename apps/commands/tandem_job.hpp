// What the commands that make or check a student have in common.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "apps/run/run_dir.hpp"
#include "apps/settings/config.hpp"
#include "core/json.hpp"
#include "data/dataset.hpp"
#include "distill/evaluate.hpp"
#include "distill/options.hpp"
#include "distill/teacher.hpp"
#include "quant/integer/model.hpp"

namespace intandem {

/// The name of a student: as configured, or "w4a4" and the like from the bits.
std::string student_name(const DistillConfig& config);

/// Fills in what depends on other keys or on the run: the student's name and the teacher's path.
/// Usage error for a name that is no file name.
void complete(DistillConfig& config, const std::string& run);

/// The teacher and the parts of its dataset: the split it was trained with and the test images.
struct TandemInputs {
  Teacher teacher;
  Split split;
  Dataset test;
};
/// Fills in config.data_dir: as configured, else where the teacher was trained from. Error unless
/// the images are those it was trained on (apps/data_check.hpp), as far as possible before they are
/// read. trains: steps of config.batch images are to follow, and there must be enough for one.
TandemInputs load_inputs(DistillConfig& config, const JobOptions& job, bool trains = true);

/// The data directory of the run's own `train` job, for models that record none; "" if unknown.
std::string recorded_data_dir(const std::string& run);

DistillOptions distill_options(const DistillConfig& config, const ModelInfo& teacher);

/// The float teacher (this shard's) on the test images. Its figures also go to the top level of
/// results.json unless there are some: those of the teacher that `train` made in this run, or of
/// the first student's.
Evaluation evaluate_teacher(const std::string& run, const DistillConfig& config,
                            TandemInputs& inputs, FloatNetwork& teacher, Communicator& shard);

/// Bits and options that tell one student from another, and the teacher its figures are compared
/// with: the first entries of its results.
Json student_figures(const DistillConfig& config, const Evaluation& teacher);

/// {prefix}top1, {prefix}top5 and {prefix}agreement (with the teacher) in percent, {prefix}correct.
Json test_figures(const std::string& prefix, const Evaluation& test, const Evaluation& teacher);

/// CRC-32 of a file in decimal, to tell teachers apart.
std::string file_crc(const std::string& path);

/// What log.jsonl knows of a finished distillation.
struct LoggedStages {
  Json hybrid_top1 = Json::array();  ///< held out, of the parameters each stage kept; joint last
  std::int64_t steps = 0;            ///< training steps in all
  std::optional<double>
      joint_held_out_loss;  ///< D7 of the parameters kept, if there was that phase
};
LoggedStages read_logged_stages(const std::string& log_path, const std::string& job);

/// [true class][predicted class]
Json confusion_json(const Evaluation& evaluation, std::int64_t classes);

/// Names, shapes, bits, (m, n), bounds, dead channels: the rows of the report's table.
Json layers_json(const IntModel& model);

/// Some test images with their predictions, for the report: the first ones, then the first that
/// are classified wrongly. Writes NAME.samples.json.
void save_samples(const std::string& path, const Dataset& test, const Evaluation& evaluation);

}  // namespace intandem
