// picture: a photograph in memory and as a PPM file, for image_pipeline.cc. Nothing here knows of
// goroutines.

#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

struct picture {
  std::string name;
  std::size_t width = 0, height = 0;
  std::vector<std::uint8_t> bytes;  // red, green, blue, row by row

  // make: one that is `from` bright at its left and `to` at its right.
  static picture make(std::string name, std::size_t width, std::size_t height, int from, int to) {
    picture made{std::move(name), width, height, {}};
    for (std::size_t at = 0; at < 3 * width * height; ++at) {
      const auto x = static_cast<int>(at / 3 % width), last = static_cast<int>(width) - 1;
      made.bytes.push_back(static_cast<std::uint8_t>(from + (to - from) * x / last));
    }
    return made;
  }

  // load: nothing if it is not a PPM of 8 bits, or too large.
  static std::optional<picture> load(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    std::string magic;
    std::size_t width = 0, height = 0;
    int most = 0;
    in >> magic >> width >> height >> most;
    in.get();  // the one space before the bytes
    if (!in || magic != "P6" || most != 255 || width > 10'000 || height > 10'000) return {};
    picture p{file.filename(), width, height, std::vector<std::uint8_t>(3 * width * height)};
    if (!in.read(reinterpret_cast<char*>(p.bytes.data()), std::ssize(p.bytes))) return {};
    return p;
  }

  // save: throws if it cannot.
  void save(const std::filesystem::path& folder) const {
    std::ofstream out(folder / name, std::ios::binary);
    out << "P6\n" << width << ' ' << height << "\n255\n";
    out.write(reinterpret_cast<const char*>(bytes.data()), std::ssize(bytes));
    if (!out.flush()) throw std::runtime_error("cannot write " + (folder / name).string());
  }

  // quarter: each of its bytes is the mean of 4 x 4.
  [[nodiscard]] picture quarter() const {
    picture small{name, width / 4, height / 4, {}};
    small.bytes.reserve(3 * small.width * small.height);
    for (std::size_t y = 0; y < small.height; ++y) {
      for (std::size_t at = 0; at < 3 * small.width; ++at) {
        int sum = 0;
        for (std::size_t i = 0; i < 16; ++i) {
          sum += bytes[3 * ((4 * y + i / 4) * width + 4 * (at / 3) + i % 4) + at % 3];
        }
        small.bytes.push_back(static_cast<std::uint8_t>(sum / 16));
      }
    }
    return small;
  }

  [[nodiscard]] int brightness() const {
    const auto sum = std::accumulate(bytes.begin(), bytes.end(), 0L);
    return bytes.empty() ? 0 : static_cast<int>(sum / static_cast<long>(bytes.size()));
  }
};
