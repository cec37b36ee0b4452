// Which kernel runs: every family of kernels has one table of KernelRow, and choose_kernel() reads
// it.
#pragma once

#include <cstddef>

#include "core/cpu.hpp"

namespace intandem {

/// The set that `isa` extends: all its instructions and more. Isa::ref, which every CPU runs,
/// extends itself; so would the first set of another architecture extend Isa::ref.
constexpr Isa extended_isa(Isa isa) {
  switch (isa) {
    case Isa::amx:
      return Isa::avx512vnni;
    case Isa::avx512vnni:
      return Isa::avx512;
    case Isa::avx512:
      return Isa::avx2;
    case Isa::avx2:
    case Isa::ref:
      break;
  }
  return Isa::ref;
}

/// Whether code compiled for `needed` runs where `isa` is in use: it is that set or one it extends.
constexpr bool isa_includes(Isa isa, Isa needed) {
  while (isa != needed && isa != Isa::ref) isa = extended_isa(isa);
  return isa == needed;
}

/// A kernel and the instruction set it was written for. `Kernel` is a pointer to a function or to a
/// structure of functions and sizes; or, where an estimate goes by the set, a number.
template <typename Kernel>
struct KernelRow {
  Isa isa;
  Kernel kernel;
};

/// The first row of `table` that runs on `isa`: a table lists the kernel to be preferred first.
/// Null (or 0) if none does, which cannot be where the last row is for Isa::ref.
template <typename Kernel, std::size_t kRows>
constexpr Kernel choose_kernel(const KernelRow<Kernel> (&table)[kRows], Isa isa = active_isa()) {
  for (const KernelRow<Kernel>& row : table) {
    if (isa_includes(isa, row.isa)) return row.kernel;
  }
  return Kernel{};
}

}  // namespace intandem
