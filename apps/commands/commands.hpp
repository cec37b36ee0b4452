// The commands of `intandem`, one .cpp file each. They print results on standard output, progress
// on standard error, and return the process's exit code; errors are thrown.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "apps/run/run_dir.hpp"
#include "apps/settings/config.hpp"
#include "apps/sweep/sweep_options.hpp"
#include "core/error.hpp"

namespace intandem {

/// Trains a teacher: teacher.safetensors, log lines "teacher", results teacher_*.
ExitCode train_command(TrainConfig config, const JobOptions& job);

/// Makes a network trained elsewhere the teacher of a run: teacher.safetensors, and with a dataset
/// results teacher_*. model: a .onnx file, or a .safetensors state_dict with config.network.
/// ExitCode::mismatch, and nothing written, if config.check names logits that differ too much.
ExitCode import_command(const std::string& model, ImportConfig config, const JobOptions& job);

/// Distils a student: NAME.student.safetensors, NAME.safetensors, log lines, results.
ExitCode distill_command(DistillConfig config, const JobOptions& job);

/// The folded teacher in integers, untrained, per channel and per layer: results folded_*.
ExitCode baseline_command(DistillConfig config, const JobOptions& job);

struct VerifyOptions {
  std::string run, name;
  std::string data_dir;            ///< empty: the one the student was trained from
  bool other_data = false;         ///< go on although its classes are not the student's
  std::int64_t limit = 0;          ///< test images; 0: all
  std::int64_t threads = 0;        ///< 0: all
  double data_memory = 1.0;        ///< GB for photos
  std::string algorithm = "auto";  ///< integer engine
  std::string plan = "measure";    ///< as PlanSource (quant/plan_file.hpp)
};
/// Compares every code of every layer; ExitCode::mismatch if two differ.
ExitCode verify_command(const VerifyOptions& options);

struct EvalOptions {
  std::string model;               ///< teacher or integer model
  std::string data_dir;            ///< empty: the one the model was trained from
  bool other_data = false;         ///< go on although its classes are not the model's
  std::int64_t limit = 0;          ///< test images; 0: all
  std::int64_t batch = 64;         ///< images per engine call; no influence on results
  std::int64_t threads = 0;        ///< 0: all
  double data_memory = 1.0;        ///< GB for photos
  std::string algorithm = "auto";  ///< integer engine (quant/integer/engine.hpp)
  std::string plan = "measure";    ///< as PlanSource (quant/plan_file.hpp)
  bool profile = false;            ///< also time every layer (integer model)
  std::string logits;              ///< .npy file for the logits (integer model); empty: none
  std::string predictions;         ///< CSV file, a line per image; empty: none
  std::string pixels;              ///< .npy file for the images; empty: none
};
/// Top-1 and top-5 on the dataset's test part and images per second.
ExitCode eval_command(const EvalOptions& options);

struct PackCommandOptions {
  std::string directory;            ///< image folder
  std::string file;                 ///< to write
  std::int64_t shorter_side = 256;  ///< of the images; 0: the files as they are
  std::int64_t shard = 0, shards = 1;
  bool skip_bad = false, overwrite = false;
  std::int64_t threads = 0;  ///< 0: all
  double data_memory = 1.0;  ///< GB for images that are being decoded
};
/// Writes a packed data set (data/pack_writer.hpp).
ExitCode pack_command(const PackCommandOptions& options);

struct InspectOptions {
  std::string model;                  ///< any container
  bool plan = false;                  ///< also plan the layers for this CPU
  std::int64_t batch = 1;             ///< … and this many images at a time
  std::string plan_from = "measure";  ///< as PlanSource (quant/plan_file.hpp)
  std::int64_t threads = 0;           ///< 0: all
};
/// Layers of a model with shapes, bits, (m, n), bounds and bytes.
ExitCode inspect_command(const InspectOptions& options);

struct InferOptions {
  std::string model;  ///< integer model
  std::vector<std::string> images;
  bool invert = false;   ///< 255 − pixel, for dark objects on white
  std::int64_t top = 3;  ///< classes printed per image
  bool json = false;     ///< a JSON object per image and line instead
  std::string algorithm = "auto";
  std::string plan = "estimate";  ///< as PlanSource: a second is long for one image
};
/// Classifies image files with an integer model.
ExitCode infer_command(const InferOptions& options);

struct ExportOptions {
  std::string model;  ///< integer model
  std::string c_dir;  ///< directory for the C program; empty: none
  std::string onnx;   ///< file for the exact ONNX graph; empty: none
  std::string qdq;    ///< file for the approximate one; empty: none
};
/// Writes an integer model in another form and prints what it takes.
ExitCode export_command(const ExportOptions& options);

struct TraceOptions {
  std::string model;                    ///< integer model
  std::string image;                    ///< image file, or .npy of u8 [H][W][C]
  std::string layer;                    ///< this one alone; empty: all
  std::string pixel;                    ///< "Y,X" of its output, after max-pool; empty: chosen
  std::optional<std::int64_t> channel;  ///< of its output; none: chosen
  bool zeros = false;                   ///< also products with a factor 0
  bool fit = false;                     ///< cut and resize the image as infer does
  bool invert = false;                  ///< 255 − pixel
  std::string save;                     ///< directory for all tensors; empty: none
  std::string algorithm = "auto";
};
/// One image through an integer model, product by product; compared with the engine.
ExitCode trace_command(const TraceOptions& options);

struct ReportOptions {
  std::vector<std::string> runs;  ///< directories; more than one only of sweeps
  std::string output;             ///< HTML; empty: report.html in the (first) directory
  std::string markdown;           ///< of sweeps; empty: report.md in the (first) directory
};
/// Writes the report of a run (apps/report/report.hpp) or of sweeps (apps/sweep/sweep_report.hpp).
ExitCode report_command(const ReportOptions& options);

/// Runs the jobs of a sweep file and reports. Errors of a job are named at the end.
ExitCode sweep_command(SweepOptions options);

}  // namespace intandem
