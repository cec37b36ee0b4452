// Commands as a shell reads them, and commands run.
#pragma once

#include <string>
#include <vector>

namespace intandem {

/// Quoted for a POSIX shell, if it needs to be.
std::string shell_word(const std::string& word);
std::string shell_line(const std::vector<std::string>& words);

/// Path of the program that runs, so that it can start itself.
std::string own_program();

/// Runs `program` with these arguments (words[0] is what it takes for its name) in a process group
/// of its own and waits. When stop_requested(), passes one SIGTERM on and goes on waiting. If this
/// process is killed, the child is asked to stop as well. Returns its exit code, or 128 + signal.
int run_child(const std::string& program, const std::vector<std::string>& words);

}  // namespace intandem
