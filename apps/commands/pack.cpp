// `intandem pack`: an image folder → one file of images, ready for streaming.
#include <cstdio>
#include <filesystem>
#include <optional>

#include "apps/commands/commands.hpp"
#include "apps/print/figures.hpp"
#include "apps/run/processes.hpp"
#include "apps/run/threads.hpp"
#include "core/file.hpp"
#include "core/progress.hpp"
#include "core/text.hpp"
#include "data/pack_writer.hpp"

namespace intandem {

ExitCode pack_command(const PackCommandOptions& options) {
  refuse_processes("pack");
  use_threads(options.threads);
  if (!options.overwrite && file_exists(options.file)) {
    throw Error(options.file, "is already there", "give another name, or --overwrite",
                ExitCode::usage);
  }
  if (options.shard >= options.shards) {
    throw Error(
        "--shard",
        std::to_string(options.shard) + " is not below --shards " + std::to_string(options.shards),
        "count the shards from 0", ExitCode::usage);
  }
  PackOptions pack;
  pack.shorter_side = options.shorter_side;
  pack.shard = options.shard;
  pack.shards = options.shards;
  pack.skip_bad = options.skip_bad;
  pack.memory_bytes = static_cast<std::int64_t>(options.data_memory * 1e9);
  std::optional<Progress> progress;
  pack.progress = [&](std::int64_t done, std::int64_t total) {
    if (!progress) progress.emplace("packing", total);
    progress->update(done);
    if (done == total) progress.reset();
  };
  const Stopwatch watch;
  const PackResult result = write_pack(options.directory, options.file, pack);
  for (const std::string& note : result.notes) print_note(note);
  for (const std::string& bad : result.bad_files) print_note("left out " + bad);
  const double seconds = watch.seconds();
  std::printf("%s: %lld images, %.2f GB, %zu bad files left out; %.0f images/s\n",
              printable(options.file).c_str(), static_cast<long long>(result.images),
              static_cast<double>(result.size_bytes) / 1e9, result.bad_files.size(),
              static_cast<double>(result.images) / std::max(seconds, 1e-9));
  return ExitCode::ok;
}

}  // namespace intandem
