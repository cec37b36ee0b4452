// CIFAR-10 and CIFAR-100, binary version (Krizhevsky 2009): 32×32 colour images.
#pragma once

#include <cstdint>
#include <string>

#include "data/dataset.hpp"

namespace intandem {

enum class CifarKind { cifar10, cifar100 };

/// Reads the unpacked archive; `directory` is it or contains it (cifar-10-batches-bin,
/// cifar-100-binary). CIFAR-10: data_batch_1.bin … data_batch_5.bin, test_batch.bin. CIFAR-100:
/// train.bin, test.bin and fine_label_names.txt; fine labels. A record is 1 or 2 label bytes and
/// three planes of 32·32 bytes, turned here into [32][32][3]. Any number of whole records per file.
/// Of the options, limit, test_only and check apply. Errors name the file: missing, empty, not
/// a whole number of records, a label that is not below the number of classes.
TrainTest load_cifar(CifarKind kind, const std::string& directory, const LoadOptions& options);

}  // namespace intandem
