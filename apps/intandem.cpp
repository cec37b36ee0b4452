// The program: one error line and one exit code, whatever goes wrong.
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>

#include "apps/settings/cli.hpp"
#include "core/error.hpp"

int main(int argc, char** argv) {
  // A file-size limit then fails the write, which is reported, instead of ending the process.
  std::signal(SIGXFSZ, SIG_IGN);
  int code = static_cast<int>(intandem::ExitCode::runtime);
  try {
    code = intandem::run_cli(argc, argv);
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
      throw intandem::Error("standard output", "cannot be written",
                            "check the disk or pipe it goes to");
    }
  } catch (const intandem::Error& error) {
    std::fprintf(stderr, "intandem: error: %s\n", error.what());
    return static_cast<int>(error.code());
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "intandem: error: out of memory; lower --batch or --width\n");
    return static_cast<int>(intandem::ExitCode::runtime);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "intandem: error: internal: %s; please report it with the command\n",
                 error.what());
    return static_cast<int>(intandem::ExitCode::runtime);
  }
  return code;
}
