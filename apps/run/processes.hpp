// The processes of this job: one, or those that mpirun or srun has started (docs/cluster.md).
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/communicator.hpp"
#include "core/shard_group.hpp"
#include "core/transport.hpp"

namespace intandem {

/// Finds the other processes, if a launcher has started this one; later calls return the same. All
/// but the first write nothing from here on but errors. INTANDEM_SILENCE_SECONDS: after how long a
/// process that is not heard of ends the job (default 20).
Transport& processes();
/// Usage error for commands that one process does, where there are several.
void refuse_processes(const std::string& command);
/// Whether this is the process that prints and writes.
bool is_first_process();

/// Parts from the other processes, all of which call this when all is done.
void close_processes();
/// Prints "intandem: error: LINE" and ends this process and all others. Of an error that all meet,
/// the first process's line is the one that is seen.
[[noreturn]] void end_with_error(const std::string& line, int exit_code);

/// A remark to the user, "intandem: note: …" on standard error, by the first process.
void print_note(const std::string& text);

/// Error naming the process unless all shards have the same value of each of these: (what it is,
/// its value). Shards that compute different things would hang, or spoil each other's work.
void check_same_everywhere(Communicator& shards,
                           const std::vector<std::pair<std::string, std::string>>& values);

/// work(shard) for every shard that this process holds, progress shown by the first alone; returns
/// when the shards of all processes are done. trace_file: a trace of all processes is written there
/// (core/trace.hpp), and a line about it on standard error; empty: none.
void run_shards(ShardGroup& group, const std::function<void(Communicator&)>& work,
                const std::string& trace_file = {});

}  // namespace intandem
