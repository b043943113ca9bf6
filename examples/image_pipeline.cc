// image_pipeline: pictures pass through three stages, all at work at the same time: fetch reads
// files, resize makes each side a quarter as long by averaging, store writes them. A stage is a few
// goroutines between two channels. A file that is no picture is reported and left out; an exception
// in any stage cancels the scope, and so ends all of them. (picture.h has what is not about
// goroutines.)
//
//   $ ./image_pipeline              makes eight pictures in a temporary folder, which it removes
//   broken.ppm: not a picture
//   picture-0.ppm became 16x12, brightness 49
//   ...

#include "picture.h"

#include <weft/channel.h>
#include <weft/context.h>
#include <weft/go.h>
#include <weft/runtime.h>
#include <weft/scope.h>

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace {

namespace fs = std::filesystem;

// stage: `workers` goroutines make of what comes from `in` what goes into `out`, or nothing. When
// they have all ended `out` is closed, and so the next stage ends.
template <class In, class Out, class F>
void stage(weft::scope& line, int workers, const weft::channel<In>& in,
           const weft::channel<Out>& out, F make) {
  line.go([=] {
    weft::scope all;
    for (int i = 0; i < workers; ++i) {
      all.go([&] {
        while (auto next = in.recv(all.context())) {
          std::optional<Out> made = make(std::move(*next));
          if (made && !out.send(std::move(*made), all.context())) return;
        }
      });
    }
    all.join().value();
    out.close();
  });
}

// convert: the number of pictures in `from` that are now in `to`.
int convert(const fs::path& from, const fs::path& to) {
  const weft::channel<fs::path> files(4);
  const weft::channel<picture> fetched(4), resized(4), stored(4);
  weft::scope line;
  line.go([&] {
    for (const auto& entry : fs::directory_iterator(from)) {
      if (!files.send(entry.path(), line.context())) return;
    }
    files.close();
  });
  // Files block the thread; weft::blocking lends its processor to others meanwhile.
  stage(line, 2, files, fetched, [](const fs::path& file) {
    auto p = weft::blocking([&] { return picture::load(file); });
    if (!p) std::printf("%s: not a picture\n", file.filename().c_str());
    return p;
  });
  stage(line, static_cast<int>(weft::max_procs()), fetched, resized,
        [](const picture& p) { return p.quarter(); });
  stage(line, 2, resized, stored, [&](picture p) {
    weft::blocking([&] { p.save(to); });
    return p;
  });
  int count = 0;
  while (auto done = stored.recv(line.context())) {
    std::printf("%s became %zux%zu, brightness %d\n", done->name.c_str(), done->width, done->height,
                done->brightness());
    ++count;
  }
  line.join().value();
  return count;
}

struct temporary_folder {
  temporary_folder() {
    auto name = (fs::temp_directory_path() / "weft-pictures-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a folder");
    path = name;
  }
  ~temporary_folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  fs::path path;
};

int make_and_convert() {
  const temporary_folder folder;
  const auto large = folder.path / "large", small = folder.path / "small";
  fs::create_directory(large);
  fs::create_directory(small);
  for (int i = 0; i < 8; ++i) {
    picture::make("picture-" + std::to_string(i) + ".ppm", 64, 48, 10 * i, 10 * i + 100)
        .save(large);
  }
  std::ofstream(large / "broken.ppm") << "P6 is all that it has";
  return convert(large, small) == 8 ? 0 : 1;
}

}  // namespace

int main() {
  return weft::run([] {
    try {
      return make_and_convert();
    } catch (const std::exception& e) {
      std::fprintf(stderr, "image_pipeline: %s\n", e.what());
      return 1;
    }
  });
}
