// Images per second that the loader prepares: read, decode, random resized crop, flip. One thread
// of the loader does the work, the main thread waits. bench/loader_speed.py runs it beside Pillow
// and torchvision.
//
//     loader_speed image-folder|packed PATH [EPOCHS [THREADS]]
//
// prints "images cpu_seconds seconds checksum".
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "core/checksum.hpp"
#include "core/error.hpp"
#include "core/progress.hpp"
#include "data/dataset.hpp"
#include "data/loader.hpp"

using namespace intandem;

namespace {

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

int run(const std::string& dataset, const std::string& path, int epochs, int threads) {
  LoadOptions options;
  options.input = {224, 224, 3, Preprocessing::imagenet};
  options.threads = threads;
  const Dataset train = load_dataset(dataset, path, options).train;
  const Normalization norm{{124, 116, 104}, {58.4f, 57.1f, 57.4f}};
  Loader::Options loading;
  loading.batch = 50;
  loading.augment.random_crop = loading.augment.flip = true;
  std::int64_t images = 0;
  Checksum sum;
  const double cpu = cpu_seconds();
  const Stopwatch watch;
  for (int epoch = 0; epoch < epochs; ++epoch) {
    Loader loader(train, norm, loading, epoch);
    for (Batch batch; loader.next(batch);) {
      images += batch.images.dim(0);
      sum.absorb(batch.images.data(), 64);
    }
  }
  std::printf("%lld %.4f %.4f %s\n", static_cast<long long>(images), cpu_seconds() - cpu,
              watch.seconds(), sum.digits().c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: loader_speed image-folder|packed PATH [EPOCHS [THREADS]]\n");
    return 2;
  }
  try {
    return run(argv[1], argv[2], argc > 3 ? std::atoi(argv[3]) : 4,
               argc > 4 ? std::atoi(argv[4]) : 1);
  } catch (const Error& error) {
    std::fprintf(stderr, "intandem: error: %s\n", error.what());
    return static_cast<int>(error.code());
  }
}
