// Declarations for the files compiled for one instruction set; everyone else: requant/block.hpp.
#pragma once

#include "quant/integer/kernel_args.hpp"

namespace intandem {

void requant_block_ref(const RequantBlock& block);
#if defined(__x86_64__)
void requant_block_avx2(const RequantBlock& block);
void requant_block_avx512(const RequantBlock& block);
#endif

}  // namespace intandem
