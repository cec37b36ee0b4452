// Exported C on Cortex-M3, M4 and M7 under qemu: the same logits, and the sizes that the exporter
// states.
#include "tests/export/exported.hpp"
#include "tests/skip.hpp"

using namespace intandem;
using namespace intandem::export_test;

namespace {

struct Board {
  const char *cpu, *machine;
};
constexpr Board kBoards[] = {
    {"cortex-m3", "mps2-an385"}, {"cortex-m4", "mps2-an386"}, {"cortex-m7", "mps2-an500"}};

std::string compiler(const Board& board, const std::string& level) {
  return "arm-none-eabi-gcc -std=c99 " + level + " -ffreestanding -mthumb -mcpu=" + board.cpu;
}

/// Bytes of the sections text and rodata of net.c.
std::int64_t flash_bytes(const TemporaryDirectory& scratch, const Board& board) {
  must_run(scratch, compiler(board, "-Os") + " -c net.c -o net.o && arm-none-eabi-size net.o | " +
                        "awk 'NR == 2 {print $1}' > bytes");
  return std::stoll(slurp(scratch.path("bytes")));
}

}  // namespace

TEST_CASE("exported C gives the engine's logits on Cortex-M", "[export][export-arm]") {
  if (!std::filesystem::exists("tests/export/board.c")) {
    INTANDEM_SKIP("not run from the sources' directory");
  }
  const TemporaryDirectory scratch;
  for (const char* tool : {"arm-none-eabi-gcc", "qemu-system-arm"}) {
    if (!has_command(scratch, tool)) {
      INTANDEM_SKIP(std::string("no ") + tool + ": packages gcc-arm-none-eabi, qemu-system-arm");
    }
  }
  const std::string board_c = source_path("tests/export/board.c");
  const std::string script = source_path("tests/export/board.ld");
  for (std::uint64_t seed = 100; seed <= 103; ++seed) {
    // The first is the demo's network; what does not fit does not link.
    const bool demo = seed == 100;
    const IntModel model = demo ? demo_network() : testing::random_model(seed);
    const std::string limits = demo ? "-Wl,--defsym=flash_bytes=128K -Wl,--defsym=ram_bytes=32K "
                                    : "-Wl,--defsym=flash_bytes=4M -Wl,--defsym=ram_bytes=4M ";
    const std::string wanted = write_net(scratch, model, demo ? 2 : 4, seed);
    const CFootprint footprint = measure_c(model, "test");
    const std::string level = seed % 2 == 0 ? "-Os" : "-O2";
    for (const Board& board : kBoards) {
      INFO("model " << seed << " on " << board.cpu);
      must_run(scratch, compiler(board, level) +
                            " -nostdlib -Wall -Wextra -Wconversion -Werror -include net.h -T '" +
                            script + "' " + limits + "net.c '" + board_c + "' -o net.elf");
      must_run(scratch, std::string("timeout 60 qemu-system-arm -M ") + board.machine +
                            " -nographic -semihosting-config enable=on,target=native -kernel "
                            "net.elf < /dev/null");
      CHECK(differences(slurp(scratch.path("logits.raw")), wanted) == 0);
      const std::string cost = slurp(scratch.path("cost.raw"));
      REQUIRE(cost.size() == 8);
      std::int32_t stack_bytes = 0;
      std::memcpy(&stack_bytes, cost.data(), 4);
      CHECK(stack_bytes > 0);
      CHECK(stack_bytes <= footprint.stack_bytes);
      const std::int64_t code = flash_bytes(scratch, board) - footprint.constant_bytes();
      INFO("code " << code << ", stated " << footprint.code_bytes << ", stack " << stack_bytes);
      CHECK(code <= footprint.code_bytes);
      CHECK(code >= footprint.code_bytes / 2);
      must_run(scratch, "rm -f logits.raw cost.raw");
    }
  }
}
