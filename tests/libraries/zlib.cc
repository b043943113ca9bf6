// zlib: a crowd that compresses and restores, and calls nothing else for as long as it takes;
// beside it one stream that is longer than 32 bits can count.
//
//   zlib               128 MiB in pieces
//   WEFT_ZLIB_MIB=4096 zlib

#include <zlib.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "crowd.h"

using libraries::expect;

namespace {

using bytes = std::vector<unsigned char>;
constexpr std::size_t mib = 1024 * 1024;
constexpr std::size_t piece_size = mib / 2;
// endless: members that compute until the ticker has ticked. Few: the more threads compute without
// a processor, the longer is the turn of the next one (sched/monitor.cc).
constexpr int endless = 10;
// stream_size: of which gzip's trailer keeps 32 bits.
constexpr std::uint64_t stream_size = (std::uint64_t{4} << 30) + mib;
constexpr int gzip_window = 15 + 16;

// words: what compresses as text does.
bytes words() {
  bytes b;
  std::minstd_rand random(1);
  while (b.size() < mib) {
    const auto word = std::to_string(random() % 5000);
    b.insert(b.end(), word.begin(), word.end());
    b.push_back(' ');
  }
  return b;
}

void compress_and_restore(std::span<const unsigned char> piece) {
  bytes packed(compressBound(piece.size())), restored(piece.size());
  uLongf packed_size = packed.size(), size = restored.size();
  expect(compress2(packed.data(), &packed_size, piece.data(), piece.size(), 1) == Z_OK);
  expect(packed_size < piece.size() / 2, "hardly smaller");
  expect(uncompress(restored.data(), &size, packed.data(), packed_size) == Z_OK);
  expect(std::ranges::equal(restored, piece), "restored something else");
}

// gzip_stream: what goes in is restored at once.
class gzip_stream {
 public:
  gzip_stream() {
    expect(deflateInit2(&in_, 1, Z_DEFLATED, gzip_window, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    expect(inflateInit2(&out_, gzip_window) == Z_OK);
  }
  gzip_stream(const gzip_stream&) = delete;
  gzip_stream& operator=(const gzip_stream&) = delete;
  ~gzip_stream() {
    deflateEnd(&in_);
    inflateEnd(&out_);
  }

  void put(bytes& chunk, bool last) {
    in_.next_in = chunk.data();
    in_.avail_in = static_cast<uInt>(chunk.size());
    do {
      in_.next_out = packed_.data();
      in_.avail_out = static_cast<uInt>(packed_.size());
      expect(deflate(&in_, last ? Z_FINISH : Z_NO_FLUSH) >= Z_OK);
      restore(packed_.size() - in_.avail_out);
    } while (in_.avail_out == 0);
  }

  [[nodiscard]] bool whole() const {
    return status_ == Z_STREAM_END && in_.total_in == stream_size && out_.total_out == stream_size;
  }

 private:
  // restore: zlib compares the check sum and the length at the end.
  void restore(std::size_t packed) {
    out_.next_in = packed_.data();
    out_.avail_in = static_cast<uInt>(packed);
    do {
      out_.next_out = restored_.data();
      out_.avail_out = static_cast<uInt>(restored_.size());
      status_ = inflate(&out_, Z_NO_FLUSH);
      expect(status_ == Z_OK || status_ == Z_STREAM_END || status_ == Z_BUF_ERROR, "inflate");
    } while (out_.avail_out == 0);
    expect(out_.avail_in == 0, "something behind the end");
  }

  z_stream in_{}, out_{};
  bytes packed_ = bytes(mib / 16), restored_ = bytes(mib);
  int status_ = Z_OK;
};

void compress_and_restore_stream() {
  gzip_stream stream;
  bytes chunk(mib, 'w');
  for (std::uint64_t done = 0; done < stream_size; done += mib)
    stream.put(chunk, done + mib == stream_size);
  expect(stream.whole(), "4 GiB and more were counted wrongly");
}

}  // namespace

int main() {
  const char* wish = std::getenv("WEFT_ZLIB_MIB");
  const int total_mib = wish != nullptr ? std::atoi(wish) : 128;
  return libraries::run([total_mib] {
    const bytes all = words();
    const auto piece = [&all](int at) {
      return std::span(all).subspan(static_cast<std::size_t>(at) * 997 % (mib - piece_size),
                                    piece_size);
    };
    const int share = std::max(1, total_mib * static_cast<int>(mib / piece_size) / libraries::size);
    std::atomic<std::int64_t> pieces{0};
    {
      libraries::ticker ticks;
      weft::wait_group crowd;
      crowd.go([] { compress_and_restore_stream(); });
      for (int i = 0; i < libraries::size; ++i) {
        crowd.go([&, i] {
          for (int n = 0; n < share || (i < endless && ticks.ticks() < libraries::ticks_each);
               ++n) {
            compress_and_restore(piece(i + n));
            ++pieces;
          }
        });
      }
      crowd.wait().value();
    }
    libraries::expect(pieces >= share * libraries::size, "pieces are missing");
    const auto bytes_done = static_cast<std::uint64_t>(pieces.load()) * piece_size;
    std::printf("%llu MiB in pieces, %llu MiB in a stream\n",
                static_cast<unsigned long long>(bytes_done / mib),
                static_cast<unsigned long long>(stream_size / mib));
  });
}
