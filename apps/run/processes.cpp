#include "apps/run/processes.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>

#include "core/error.hpp"
#include "core/file.hpp"
#include "core/mpi_transport.hpp"
#include "core/progress.hpp"
#include "core/text.hpp"
#include "core/trace.hpp"

namespace intandem {
namespace {

/// Time for the first process to meet the same error, print it and end all others.
constexpr std::chrono::milliseconds kFirstSpeaks{700};

std::unique_ptr<Transport> open;

double silence_seconds() {
  const char* text = std::getenv("INTANDEM_SILENCE_SECONDS");
  if (text == nullptr) return 20.0;
  char* end = nullptr;
  const double seconds = std::strtod(text, &end);
  if (end != text && *end == '\0' && seconds >= 5.0 && seconds <= 86400.0) return seconds;
  throw Error("INTANDEM_SILENCE_SECONDS", "'" + std::string(text) + "' is not 5 ... 86400",
              "give a number of seconds", ExitCode::usage);
}

}  // namespace

Transport& processes() {
  if (open) return *open;
  if (!is_launched_by_mpi()) {
    open = std::make_unique<AloneTransport>();
    return *open;
  }
  open = open_mpi(silence_seconds());
  if (open->index() > 0) {
    Progress::set_quiet(true);
    // Results are printed by the first process.
    if (std::freopen("/dev/null", "w", stdout) == nullptr) {
      throw Error("/dev/null", "cannot be opened", "check the system");
    }
  }
  return *open;
}

bool is_first_process() { return !open || open->index() == 0; }

void refuse_processes(const std::string& command) {
  const int count = processes().size();
  if (count == 1) return;
  throw Error(command, "is done by one process, and there are " + std::to_string(count),
              "run it without mpirun or srun", ExitCode::usage);
}

void close_processes() { open.reset(); }

void end_with_error(const std::string& line, int exit_code) {
  const bool several = open && open->size() > 1;
  if (!is_first_process()) std::this_thread::sleep_for(kFirstSpeaks);
  std::fprintf(stderr, "intandem: error: %s\n", line.c_str());
  std::fflush(nullptr);
  if (several) abort_mpi(exit_code);
  std::exit(exit_code);
}

void print_note(const std::string& text) {
  if (is_first_process()) std::fprintf(stderr, "intandem: note: %s\n", printable(text).c_str());
}

void check_same_everywhere(Communicator& shards,
                           const std::vector<std::pair<std::string, std::string>>& values) {
  for (const auto& [what, mine] : values) {
    const std::vector<std::string> all = shards.all_gather(mine);
    for (std::size_t i = 1; i < all.size(); ++i) {
      if (all[i] == all[0]) continue;
      throw Error("shard " + std::to_string(i),
                  "has another " + what + " than shard 0: " + all[i] + ", not " + all[0],
                  "give every process the same program, kind of processor, flags and data");
    }
  }
}

namespace {

/// Of all processes: each one's first shard brings what its process has collected.
void save_trace(Communicator& shard, bool is_first_here, int process, const Trace& trace,
                const std::string& path) {
  const Trace::Overlap own = is_first_here ? trace.overlap() : Trace::Overlap();
  const auto times = shard.all_gather(std::vector<double>{static_cast<double>(own.sum_us),
                                                          static_cast<double>(own.hidden_us),
                                                          static_cast<double>(own.bytes)});
  const auto events = shard.all_gather(is_first_here ? trace.events(process) : std::string());
  if (!shard.is_first()) return;
  std::string text;
  for (const std::string& part : events) {
    if (!part.empty()) text += (text.empty() ? "" : ",\n") + part;
  }
  write_file_atomic(path, "{\"traceEvents\": [\n" + text + "\n]}\n");
  double sum_us = 0, hidden_us = 0, bytes = 0;
  for (const std::vector<double>& one : times) {
    sum_us += one[0];
    hidden_us += one[1];
    bytes += one[2];
  }
  std::fprintf(stderr,
               "communication: sums of %.1f MB took %.3f s in all processes, %.0f %% of it within "
               "backward passes (%s)\n",
               bytes / 1e6, sum_us / 1e6, sum_us > 0 ? 100.0 * hidden_us / sum_us : 0.0,
               path.c_str());
}

}  // namespace

void run_shards(ShardGroup& group, const std::function<void(Communicator&)>& work,
                const std::string& trace_file) {
  Trace trace;
  if (!trace_file.empty()) use_trace(&trace);
  group.run([&](Communicator& shard) {
    Progress::set_thread_quiet(!shard.is_first());
    work(shard);
    if (!trace_file.empty()) {
      save_trace(shard, shard.index() == group.first(), processes().index(), trace, trace_file);
    }
    // Who left earlier would be missed.
    shard.barrier();
    Progress::set_thread_quiet(false);
  });
  use_trace(nullptr);
}

}  // namespace intandem
