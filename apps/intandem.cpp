// The program: one error line and one exit code, whatever goes wrong.
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <string>

#include "apps/run/processes.hpp"
#include "apps/settings/cli.hpp"
#include "core/error.hpp"

int main(int argc, char** argv) {
  // A file-size limit then fails the write, which is reported, instead of ending the process.
  std::signal(SIGXFSZ, SIG_IGN);
  constexpr int kFailed = static_cast<int>(intandem::ExitCode::runtime);
  int code = kFailed;
  try {
    code = intandem::run_cli(argc, argv);
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
      throw intandem::Error("standard output", "cannot be written",
                            "check the disk or pipe it goes to");
    }
    intandem::close_processes();
  } catch (const intandem::Error& error) {
    intandem::end_with_error(error.what(), static_cast<int>(error.code()));
  } catch (const std::bad_alloc&) {
    intandem::end_with_error("out of memory; lower --batch or --width", kFailed);
  } catch (const std::exception& error) {
    intandem::end_with_error(
        std::string("internal: ") + error.what() + "; please report it with the command", kFailed);
  }
  return code;
}
