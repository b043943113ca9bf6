// Bytes on their way: net.Pipe, io.Copy, io.ReadFull, bufio.

#include <weft/buffered.h>
#include <weft/copy.h>
#include <weft/error.h>
#include <weft/io.h>
#include <weft/net/pipe_conn.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "conformance/scenario.h"

namespace weft::conformance {
namespace {

using namespace std::chrono_literals;
using clock = limit::clock;

const clock::time_point past = clock::now() - 1s;

// ends: of a pipe.
struct ends {
  std::pair<net::pipe_conn, net::pipe_conn> both = net::pipe();
  net::pipe_conn& near = both.first;
  net::pipe_conn& far = both.second;
};

template <reader R>
std::string read(R& from, std::size_t most = 100) {
  std::array<char, 100> buffer;
  const auto n = from.read(std::span(buffer).first(most));
  return n ? std::string(buffer.data(), *n) : text(n.error());
}

// wrote: how much, and why no more.
template <class Count, class E>
std::string wrote(const std::expected<Count, E>& r) {
  if (r) return text(*r);
  if constexpr (requires { r.error().written(); }) {
    return text(r.error().written()) + ' ' + text(r.error());
  } else {
    return text(r.error().copied()) + ' ' + text(r.error());
  }
}

// --- the pipe ------------------------------------------------------------------------------------

SCENARIO(net_pipe_read_waits_for_a_write, "net.Pipe: synchronous") {
  ends p;
  std::string got;
  const task reader([&] { got = read(p.far); });
  say{reader.blocks()};
  say{wrote(p.near.write("hello"))};
  say{reader.join(), got};
}

SCENARIO(net_pipe_write_waits_until_all_is_read, "net.Pipe: no internal buffering") {
  ends p;
  std::string done;
  const task writer([&] { done = wrote(p.near.write("hello")); });
  say{writer.blocks()};
  say{read(p.far, 2)};
  say{writer.blocks()};
  say{read(p.far, 2), read(p.far, 2)};
  say{writer.join(), done};
}

SCENARIO(net_pipe_a_read_takes_of_one_write_only, "net.Pipe: reads are matched with writes") {
  ends p;
  const task first([&] { p.near.write("one").value(); });
  const task second([&] { p.near.write("two").value(); });
  say{read(p.far), read(p.far)};
  say{first.join(), second.join()};
}

SCENARIO(net_pipe_writes_are_not_mixed, "net.Pipe: wrMu serializes Write operations") {
  ends p;
  const task first([&] { p.near.write("abcd").value(); });
  const task second([&] { p.near.write("efgh").value(); });
  std::string all;
  for (int i = 0; i < 8; ++i) all += read(p.far, 1);
  say{all};
  say{first.join(), second.join()};
}

SCENARIO(net_pipe_directions_are_independent, "net.Pipe: full duplex") {
  ends p;
  const task forth([&] { p.near.write("forth").value(); });
  const task back([&] { p.far.write("back").value(); });
  say{forth.blocks(), back.blocks()};
  say{read(p.near), read(p.far)};
  say{forth.join(), back.join()};
}

SCENARIO(net_pipe_end_of_stream, "net.Pipe, Close") {
  ends p;
  say{text(p.near.close())};
  say{read(p.far), read(p.far)};
}

SCENARIO(net_pipe_close_ends_the_others_read, "net.Pipe, Close") {
  ends p;
  const task reader([&] { say{read(p.far)}; });
  say{reader.blocks()};
  p.near.close().value();
  say{reader.join()};
}

SCENARIO(net_pipe_close_ends_its_own_read, "net.Pipe, Close") {
  ends p;
  const task reader([&] { say{read(p.near)}; });
  say{reader.blocks()};
  p.near.close().value();
  say{reader.join(), read(p.near)};
}

SCENARIO(net_pipe_close_ends_its_own_write, "net.Pipe, Close") {
  ends p;
  const task writer([&] { say{wrote(p.near.write("hello"))}; });
  say{read(p.far, 2)};
  p.near.close().value();
  say{writer.join(), wrote(p.near.write("more"))};
}

SCENARIO(net_pipe_nobody_reads_any_more, "net.Pipe: io.ErrClosedPipe") {
  ends p;
  const task writer([&] { say{wrote(p.near.write("hello"))}; });
  say{read(p.far, 2)};
  p.far.close().value();
  say{writer.join(), wrote(p.near.write("more"))};
}

SCENARIO(net_pipe_close_twice, "net.Pipe, Close") {
  ends p;
  p.near.close().value();
  say{text(p.near.close())};
}

SCENARIO(net_pipe_read_deadline_in_the_past, "net.Pipe, SetReadDeadline") {
  ends p;
  p.far.set_read_deadline(past);
  say{read(p.far)};
  const task writer([&] { p.near.write("hello").value(); });
  say{read(p.far), writer.blocks()};
  p.far.set_read_deadline(net::pipe_conn::no_deadline);
  say{read(p.far), writer.join()};
}

SCENARIO(net_pipe_deadline_ends_a_read, "net.Pipe, SetReadDeadline") {
  ends p;
  p.far.set_read_deadline(clock::now() + 2ms);
  say{read(p.far)};
}

SCENARIO(net_pipe_deadline_applies_to_a_read_that_waits, "net.Pipe, SetReadDeadline") {
  ends p;
  const task reader([&] { say{read(p.far)}; });
  say{reader.blocks()};
  p.far.set_read_deadline(past);
  say{reader.join()};
}

SCENARIO(net_pipe_deadline_applies_to_a_write_that_waits, "net.Pipe, SetWriteDeadline") {
  ends p;
  const task writer([&] { say{wrote(p.near.write("hello"))}; });
  say{read(p.far, 3)};
  p.near.set_write_deadline(past);
  say{writer.join(), wrote(p.near.write("more"))};
}

SCENARIO(net_pipe_read_deadline_leaves_writes_alone, "net.Pipe, SetReadDeadline") {
  ends p;
  p.near.set_read_deadline(past);
  const task writer([&] { say{wrote(p.near.write("hello"))}; });
  say{read(p.far), writer.join()};
}

SCENARIO(net_pipe_deadline_passed_and_set_again, "net.Pipe, SetDeadline: reusable") {
  ends p;
  p.far.set_deadline(past);
  say{read(p.far), wrote(p.far.write("x"))};
  p.far.set_deadline(clock::now() + 1h);
  const task writer([&] { p.near.write("hello").value(); });
  say{read(p.far), writer.join()};
}

// --- copying and filling -------------------------------------------------------------------------

// bytes: a reader of them; after them, `ending`.
struct bytes {
  std::string_view left;
  std::size_t at_a_time = 100;
  error ending = errc::eof;
  result<std::size_t> read(std::span<char> buffer, const limit& = {}) {
    if (left.empty()) return std::unexpected(ending);
    const auto n = std::min({left.size(), buffer.size(), at_a_time});
    std::memcpy(buffer.data(), left.data(), n);
    left.remove_prefix(n);
    return n;
  }
};

// memory: a writer that has room for so much, and says each write if it is to.
struct memory {
  std::size_t room = 1000;
  bool says = false;
  std::string all = {};
  write_result write(std::span<const char> more, const limit& = {}) {
    const auto n = std::min(more.size(), room);
    room -= n;
    all.append(more.data(), n);
    if (says) say{"writes", std::string(more.data(), n)};
    if (n < more.size()) {
      return std::unexpected(write_error(std::make_error_code(std::errc::no_space_on_device), n));
    }
    return n;
  }
};

SCENARIO(copy_to_the_end, "io.Copy") {
  bytes from{"hello, world", 5};
  memory to;
  say{wrote(copy(to, from))};
  say{to.all};
}

SCENARIO(copy_of_nothing, "io.Copy") {
  bytes from{""};
  memory to;
  say{wrote(copy(to, from))};
}

SCENARIO(copy_reader_fails, "io.Copy: the first error encountered") {
  bytes from{"hello, world", 5, errc::timeout};
  memory to;
  say{wrote(copy(to, from))};
  say{to.all};
}

SCENARIO(copy_writer_fails, "io.Copy: the number of bytes copied") {
  bytes from{"hello, world", 5};
  memory to{.room = 7};
  say{wrote(copy(to, from))};
  say{to.all};
}

SCENARIO(copy_through_a_pipe, "io.Copy") {
  ends p;
  const task writer([&] {
    bytes from{"hello, world", 5};
    say{wrote(copy(p.near, from))};
    p.near.close().value();
  });
  memory to;
  const auto copied = copy(to, p.far);
  writer.join();
  say{wrote(copied) + " copied"};
  say{to.all, writer.join()};
}

// filled: what read_exactly got, and why no more.
std::string filled(bytes from) {
  std::array<char, 5> five;
  const auto got = read_exactly(from, five);
  return got ? text(*got) : text(got.error().got()) + ' ' + text(got.error());
}

SCENARIO(read_exactly_fills_the_buffer, "io.ReadFull") { say{filled({"hello, world", 2})}; }
SCENARIO(read_exactly_of_nothing, "io.ReadFull: EOF only if no bytes were read") {
  say{filled({""})};
}
SCENARIO(read_exactly_of_too_little, "io.ReadFull: ErrUnexpectedEOF") { say{filled({"hel", 2})}; }
SCENARIO(read_exactly_reader_fails, "io.ReadFull") { say{filled({"hel", 2, errc::timeout})}; }

// --- lines ---------------------------------------------------------------------------------------

// lines: each between brackets, CR as ^, and what ended them.
void lines(std::string_view of, std::size_t at_a_time = 100) {
  bytes from{of, at_a_time};
  line_reader all(from, 20);
  std::string said;
  auto line = all.next();
  for (; line; line = all.next()) ((said += '[') += *line) += ']';
  std::ranges::replace(said, '\r', '^');
  say{said, line.error().eof() ? "end" : text(line.error())};
}

SCENARIO(lines_end_with_lf, "bufio.ScanLines") { lines("one\ntwo\nthree\n"); }
SCENARIO(lines_end_with_cr_lf, "bufio.ScanLines: strips \\r?\\n") { lines("one\r\ntwo\r\n"); }
SCENARIO(lines_last_may_be_unended, "bufio.ScanLines") { lines("one\ntwo"); }
SCENARIO(lines_last_loses_its_cr, "bufio.ScanLines: dropCR") { lines("one\ntwo\r"); }
SCENARIO(lines_may_be_empty, "bufio.ScanLines: may be empty") { lines("\n\none\n\n"); }
SCENARIO(lines_of_nothing, "bufio.ScanLines") { lines(""); }
SCENARIO(lines_keep_a_cr_inside, "bufio.ScanLines") { lines("a\rb\r\r\nc\n"); }
SCENARIO(lines_arrive_byte_by_byte, "bufio.Scanner") { lines("one\r\ntwo\n\nfour", 1); }
SCENARIO(lines_as_long_as_allowed, "bufio.Scanner, Buffer") {
  lines("twelve bytes\nand twenty bytes...\n", 7);
}

// --- buffered_reader, buffered_writer ------------------------------------------------------------

SCENARIO(buffered_reader_peeks, "bufio.Reader, Peek: without advancing the reader") {
  bytes from{"hello, world", 3};
  buffered_reader in(from, 16);
  const auto ahead = in.peek(5).value();
  say{std::string(ahead.data(), ahead.size())};
  say{read(in, 7), text(in.buffered().size())};
}

SCENARIO(buffered_reader_reads_what_is_there, "bufio.Reader, Read: at most one Read") {
  bytes from{"hello, world", 5};
  buffered_reader in(from, 16);
  say{read(in, 2), read(in, 10), read(in, 10), read(in), read(in)};
}

SCENARIO(buffered_reader_reads_until, "bufio.Reader, ReadSlice") {
  bytes from{"a;bc;d", 2};
  buffered_reader in(from, 16);
  for (int i = 0; i < 2; ++i) {
    const auto piece = in.read_until(';').value();
    say{std::string(piece.data(), piece.size())};
  }
  say{read(in)};
}

SCENARIO(buffered_writer_collects, "bufio.Writer") {
  memory to{.says = true};
  buffered_writer out(to, 4);
  out.write("ab").value();
  say{out.buffered()};
  out.write("cde").value();
  say{out.buffered()};
  out.flush().value();
  say{out.buffered(), to.all};
}

SCENARIO(buffered_writer_passes_large_ones_on, "bufio.Writer, Write") {
  memory to{.says = true};
  buffered_writer out(to, 4);
  out.write("hello, world").value();
  out.write("a").value();
  out.write("hello, world").value();
  say{out.buffered()};
}

SCENARIO(buffered_writer_writes_nothing_by_itself, "bufio.Writer: should call Flush") {
  memory to;
  {
    buffered_writer out(to, 4);
    out.write("ab").value();
  }
  say{to.all.size()};
}

}  // namespace
}  // namespace weft::conformance
