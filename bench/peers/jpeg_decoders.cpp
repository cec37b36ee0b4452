// stb_image, with the strict check in front of it, beside libjpeg-turbo, whole and scaled: what a
// photo costs to decode (docs/dependencies.md). The files are in memory.
//
//     jpeg_decoders FOLDER [TURNS]
#include <cstdio>
// After cstdio, which it needs.
#include <jpeglib.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/file.hpp"
#include "data/image/checks.hpp"
#include "data/image/stb.hpp"

using namespace intandem;

namespace {

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// Scaled by eighths/8 while decoding; accurate integer DCT.
void decode_with_turbo(const std::string& file, unsigned eighths, std::vector<unsigned char>& out) {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(file.data()), file.size());
  jpeg_read_header(&info, TRUE);
  info.out_color_space = info.num_components == 4 ? JCS_CMYK : JCS_RGB;
  info.dct_method = JDCT_ISLOW;
  info.scale_num = eighths;
  info.scale_denom = 8;
  jpeg_start_decompress(&info);
  const std::size_t row = static_cast<std::size_t>(info.output_width) *
                          static_cast<std::size_t>(info.output_components);
  out.resize(row * info.output_height);
  while (info.output_scanline < info.output_height) {
    unsigned char* to = out.data() + row * info.output_scanline;
    jpeg_read_scanlines(&info, &to, 1);
  }
  jpeg_finish_decompress(&info);
  jpeg_destroy_decompress(&info);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void compare(const std::string& folder, int turns) {
  std::vector<std::string> names, files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) names.push_back(entry.path().string());
  }
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) files.push_back(read_file(name, "give a folder of JPEGs"));
  std::vector<unsigned char> out;
  const auto turbo = [&](unsigned eighths) {
    for (const std::string& file : files) decode_with_turbo(file, eighths, out);
  };
  const struct {
    const char* name;
    std::function<void()> work;
  } rivals[] = {
      {"strict check (data/image/jpeg_check.cpp)",
       [&] {
         for (std::size_t i = 0; i < files.size(); ++i) check_jpeg({files[i], names[i]});
       }},
      {"stb_image",
       [&] {
         for (std::size_t i = 0; i < files.size(); ++i) decode_with_stb({files[i], names[i]}, 3);
       }},
      {"libjpeg-turbo", [&] { turbo(8); }},
      {"libjpeg-turbo, 6/8 of the size", [&] { turbo(6); }},
      {"libjpeg-turbo, 4/8 of the size", [&] { turbo(4); }},
  };
  std::vector<std::vector<double>> times(std::size(rivals));
  for (int turn = 0; turn < turns; ++turn) {
    for (std::size_t i = 0; i < std::size(rivals); ++i) {
      const double start = cpu_seconds();
      rivals[i].work();
      times[i].push_back(1e3 * (cpu_seconds() - start) / static_cast<double>(files.size()));
    }
  }
  std::printf("| %zu photos | ms per photo |\n|---|---|\n", files.size());
  for (std::size_t i = 0; i < std::size(rivals); ++i) {
    std::printf("| %s | %.2f |\n", rivals[i].name, median(times[i]));
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: jpeg_decoders FOLDER [TURNS]\n");
    return 2;
  }
  try {
    compare(argv[1], argc > 2 ? std::atoi(argv[2]) : 7);
  } catch (const Error& error) {
    std::fprintf(stderr, "intandem: error: %s\n", error.what());
    return static_cast<int>(error.code());
  }
  return 0;
}
