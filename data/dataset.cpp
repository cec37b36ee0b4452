#include "data/dataset.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "core/error.hpp"
#include "core/memory.hpp"
#include "core/parallel.hpp"
#include "core/rng.hpp"
#include "data/cifar.hpp"
#include "data/fashion_mnist.hpp"
#include "data/image_folder.hpp"
#include "data/packed.hpp"

namespace intandem {
namespace {

// How many of `held_out` images each class gives: floor of its exact share, and one more for the
// largest remainders until the total is right.
std::vector<std::int64_t> held_out_quota(const std::vector<std::int64_t>& count, std::int64_t total,
                                         std::int64_t held_out) {
  std::vector<std::int64_t> quota(count.size());
  std::vector<std::size_t> order(count.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t c = 0; c < count.size(); ++c) quota[c] = held_out * count[c] / total;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return held_out * count[a] % total > held_out * count[b] % total;
  });
  std::int64_t missing = held_out - std::accumulate(quota.begin(), quota.end(), std::int64_t{0});
  for (std::size_t i = 0; missing > 0; ++i, --missing) ++quota[order[i]];
  return quota;
}

// As subset for ascending indices, in the buffer that is there.
Dataset keep(Dataset all, const std::vector<std::int32_t>& indices) {
  const std::int64_t image_bytes = all.images.size_bytes() / all.size();
  for (std::size_t i = 0; i < indices.size(); ++i) {
    const std::int64_t to = static_cast<std::int64_t>(i), from = indices[i];
    if (to != from) {
      std::memcpy(all.images.data() + to * image_bytes, all.images.data() + from * image_bytes,
                  static_cast<std::size_t>(image_bytes));
    }
    all.labels[i] = all.labels[static_cast<std::size_t>(from)];
  }
  all.labels.resize(indices.size());
  all.images = all.images.prefix(static_cast<std::int64_t>(indices.size()));
  return all;
}

}  // namespace

Shape Dataset::image_shape() const {
  if (streamed()) return source->image_shape();
  INTANDEM_CHECK(images.rank() == 4, "images of shape " + images.shape().str());
  return {images.dim(1), images.dim(2), images.dim(3)};
}

void Dataset::read_image(std::int64_t i, std::uint8_t* destination) const {
  INTANDEM_CHECK(i >= 0 && i < size(),
                 "image " + std::to_string(i) + " of " + std::to_string(size()));
  if (streamed()) {
    source->read(members[static_cast<std::size_t>(i)], nullptr, destination);
    return;
  }
  const std::int64_t image_bytes = images.size_bytes() / size();
  std::memcpy(destination, images.data() + i * image_bytes, static_cast<std::size_t>(image_bytes));
}

TensorU8 image_range(const Dataset& data, std::int64_t first, std::int64_t N) {
  INTANDEM_CHECK(first >= 0 && N >= 0 && first + N <= data.size(),
                 "images " + std::to_string(first) + " ... " + std::to_string(first + N) + " of " +
                     std::to_string(data.size()));
  const Shape image = data.image_shape();
  TensorU8 images({N, image[0], image[1], image[2]});
  parallel_for(N, data.streamed() ? 1 : N, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      data.read_image(first + i, images.data() + i * image.size());
    }
  });
  return images;
}

Dataset subset(const Dataset& all, const std::vector<std::int32_t>& indices) {
  Dataset part;
  part.name = all.name;
  part.classes = all.classes;
  part.class_names = all.class_names;
  part.source = all.source;
  part.files_digest = all.files_digest;
  part.labels.reserve(indices.size());
  const std::int64_t image_bytes = all.size() > 0 ? all.images.size_bytes() / all.size() : 0;
  const auto count = static_cast<std::int64_t>(indices.size());
  if (!all.streamed()) part.images = TensorU8(all.images.shape().with_outer(count));
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int32_t from = indices[static_cast<std::size_t>(i)];
    INTANDEM_CHECK(from >= 0 && from < all.size(),
                   "image " + std::to_string(from) + " of " + std::to_string(all.size()));
    part.labels.push_back(all.labels[static_cast<std::size_t>(from)]);
    if (all.streamed()) {
      part.members.push_back(all.members[static_cast<std::size_t>(from)]);
      continue;
    }
    std::memcpy(part.images.data() + i * image_bytes, all.images.data() + from * image_bytes,
                static_cast<std::size_t>(image_bytes));
  }
  return part;
}

std::int64_t default_held_out(std::int64_t images) {
  return std::clamp<std::int64_t>(images / 10, 1, 5000);
}

void check_held_out(const std::string& dataset, std::int64_t images, std::int64_t held_out) {
  if (held_out >= 0 && held_out < images) return;
  throw Error(dataset,
              "cannot hold out " + std::to_string(held_out) + " of " + std::to_string(images) +
                  " training images",
              "hold out fewer images or load more", ExitCode::usage);
}

Split split_held_out(Dataset all, std::int64_t held_out, std::uint64_t seed) {
  check_held_out(all.name, all.size(), held_out);
  std::vector<std::vector<std::int32_t>> members(static_cast<std::size_t>(all.classes));
  for (std::int64_t i = 0; i < all.size(); ++i) {
    const std::int32_t label = all.labels[static_cast<std::size_t>(i)];
    INTANDEM_CHECK(label >= 0 && label < all.classes, "label " + std::to_string(label));
    members[static_cast<std::size_t>(label)].push_back(static_cast<std::int32_t>(i));
  }
  std::vector<std::int64_t> count;
  for (const auto& m : members) count.push_back(static_cast<std::int64_t>(m.size()));
  const std::vector<std::int64_t> quota = held_out_quota(count, all.size(), held_out);

  std::vector<std::int32_t> chosen;
  const Rng rng = Rng(seed).stream("held-out");
  for (std::size_t c = 0; c < members.size(); ++c) {
    const auto order =
        random_permutation(static_cast<std::int32_t>(members[c].size()), rng.stream(c));
    for (std::int64_t i = 0; i < quota[c]; ++i) {
      const std::int32_t rank = order[static_cast<std::size_t>(i)];
      chosen.push_back(members[c][static_cast<std::size_t>(rank)]);
    }
  }
  std::sort(chosen.begin(), chosen.end());
  std::vector<std::int32_t> everything(static_cast<std::size_t>(all.size()));
  std::iota(everything.begin(), everything.end(), 0);
  std::vector<std::int32_t> rest;
  std::set_difference(everything.begin(), everything.end(), chosen.begin(), chosen.end(),
                      std::back_inserter(rest));
  Split split;
  split.held_out = subset(all, chosen);
  split.train = !all.streamed() && all.images.is_sole_owner() ? keep(std::move(all), rest)
                                                              : subset(all, rest);
  return split;
}

void check_fits_memory(const std::string& source, const DataCounts& counts) {
  const std::int64_t images = counts.train_images + counts.test_images;
  const double need_bytes =
      static_cast<double>(images + std::min<std::int64_t>(5000, counts.train_images / 10)) *
      static_cast<double>(counts.height * counts.width * counts.channels);
  const auto have_bytes = static_cast<double>(memory_limit_bytes());
  if (need_bytes < have_bytes) return;
  const auto gigabytes = [](double bytes) {
    return std::to_string(static_cast<std::int64_t>(bytes / 1e9)) + " GB";
  };
  throw Error(source,
              std::to_string(images) + " images take " + gigabytes(need_bytes) +
                  ", more than the memory of " + gigabytes(have_bytes) +
                  " that this process may use",
              "use fewer images (a limit) or a smaller size");
}

std::vector<std::string> dataset_names() {
  return {"fashion-mnist", "cifar10", "cifar100", "image-folder", "packed"};
}

TrainTest load_dataset(const std::string& name, const std::string& directory,
                       const LoadOptions& options) {
  if (name == "fashion-mnist") return load_fashion_mnist(directory, options);
  if (name == "cifar10") return load_cifar(CifarKind::cifar10, directory, options);
  if (name == "cifar100") return load_cifar(CifarKind::cifar100, directory, options);
  if (name == "image-folder") return load_image_folder(directory, options);
  if (name == "packed") return load_packed(directory, options);
  std::string known;
  for (const std::string& each : dataset_names()) known += (known.empty() ? "" : ", ") + each;
  throw Error("dataset", "unknown name '" + name + "'", "use one of " + known, ExitCode::usage);
}

TrainTest load_dataset(const std::string& name, const std::string& directory, std::int64_t limit) {
  LoadOptions options;
  options.limit = limit;
  return load_dataset(name, directory, options);
}

}  // namespace intandem
