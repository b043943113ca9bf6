#include "arch/cfi.h"

#include <array>
#include <cstddef>
#include <cstring>
#include <optional>

// Who finds the description of a function: the unwinder that exceptions use (libgcc, libunwind).
extern "C" {
struct dwarf_eh_bases {
  void* text;
  void* data;
  void* function;
};
const void* _Unwind_Find_FDE(void* pc, dwarf_eh_bases* bases);
}

namespace weft::arch {
namespace {

#if defined(__aarch64__)
constexpr std::uint64_t fp_number = 29;
constexpr std::uint64_t sp_number = 31;
#else
constexpr std::uint64_t fp_number = 6;
constexpr std::uint64_t sp_number = 7;
#endif

constexpr std::size_t remembered_max = 8;

// reader: of a description's bytes. Compilers write them: what it cannot read it calls bad.
class reader {
 public:
  reader(const unsigned char* at, const unsigned char* end) noexcept : at_(at), end_(end) {}

  [[nodiscard]] bool done() const noexcept { return at_ >= end_; }
  [[nodiscard]] const unsigned char* at() const noexcept { return at_; }

  template <class T>
  T fixed() noexcept {
    T value{};
    if (end_ - at_ < static_cast<std::ptrdiff_t>(sizeof value)) {
      at_ = end_;
      return value;
    }
    std::memcpy(&value, at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  std::uint64_t unsigned_leb() noexcept { return leb().first; }
  std::int64_t signed_leb() noexcept {
    const auto [value, bits] = leb();
    const bool negative = bits < 64 && (value >> (bits - 1) & 1) != 0;
    return static_cast<std::int64_t>(negative ? value | ~std::uint64_t{0} << bits : value);
  }
  void skip(std::uint64_t n) noexcept {
    const auto left = static_cast<std::uint64_t>(end_ - at_);
    at_ += n < left ? n : left;
  }

 private:
  std::pair<std::uint64_t, unsigned> leb() noexcept {
    std::uint64_t value = 0;
    unsigned bits = 0;
    while (at_ < end_) {
      const unsigned char byte = *at_++;
      if (bits < 64) value |= std::uint64_t{byte & 0x7fU} << bits;
      bits += 7;
      if ((byte & 0x80) == 0) break;
    }
    return {value, bits < 7 ? 7 : bits};
  }

  const unsigned char* at_;
  const unsigned char* end_;
};

// saved: where the caller's value of a register is.
struct saved {
  enum class where : std::uint8_t { kept, at_offset, undefined, elsewhere };
  where is = where::kept;
  std::int64_t offset = 0;
};

// row: what is true at one place.
struct row {
  std::uint64_t cfa_register = sp_number;
  std::int64_t cfa_offset = 0;
  bool cfa_known = true;
  saved fp;
  saved link;
};

// common: what the descriptions of many functions share.
struct common {
  std::uint64_t code_factor = 1;
  std::int64_t data_factor = 1;
  std::uint64_t link_number = 0;
  std::size_t address_size = sizeof(void*);  // of a function's address and length
  bool augmented = false;
  reader program{nullptr, nullptr};
};

// size_of: an address in that encoding; 0: of no fixed size.
std::size_t size_of(unsigned encoding) noexcept {
  switch (encoding & 0x07) {
    case 0: return sizeof(void*);
    case 2: return 2;
    case 3: return 4;
    case 4: return 8;
    default: return 0;
  }
}

// body_of: of the entry at `entry`; nothing if it has the 64-bit form, which no linker makes.
std::optional<reader> body_of(const unsigned char* entry) noexcept {
  std::uint32_t length = 0;
  std::memcpy(&length, entry, sizeof length);
  if (length == 0 || length == 0xffffffff) return std::nullopt;
  return reader(entry + sizeof length, entry + sizeof length + length);
}

std::optional<common> read_common(const unsigned char* entry) noexcept {
  auto body = body_of(entry);
  if (!body) return std::nullopt;
  reader in = *body;
  in.skip(4);
  const auto version = in.fixed<unsigned char>();
  const auto* augmentation = reinterpret_cast<const char*>(in.at());
  in.skip(std::strlen(augmentation) + 1);
  common c;
  c.code_factor = in.unsigned_leb();
  c.data_factor = in.signed_leb();
  c.link_number = version == 1 ? in.fixed<unsigned char>() : in.unsigned_leb();
  c.augmented = *augmentation == 'z';
  if (!c.augmented) {
    if (*augmentation != '\0') return std::nullopt;
    c.program = in;
    return c;
  }
  reader data = in;
  const auto data_size = data.unsigned_leb();
  in = data;
  in.skip(data_size);
  c.program = in;
  for (const char* letter = augmentation + 1; *letter != '\0'; ++letter) {
    if (*letter == 'R') {
      c.address_size = size_of(data.fixed<unsigned char>());
    } else if (*letter == 'P') {
      const auto size = size_of(data.fixed<unsigned char>());
      if (size == 0) return std::nullopt;
      data.skip(size);
    } else if (*letter == 'L') {
      data.skip(1);
    }
  }
  if (c.address_size == 0) return std::nullopt;
  return c;
}

// interpreter: runs the programs of a description up to one place.
class interpreter {
 public:
  interpreter(const common& c, std::uintptr_t begin, std::uintptr_t target) noexcept
      : common_(c), at_(begin), target_(target) {}

  // run: false if there is something that it does not know.
  bool run(reader program) noexcept {
    while (!program.done() && at_ <= target_) {
      if (!step(program)) return false;
    }
    return true;
  }
  void begin_function() noexcept { initial_ = row_; }
  [[nodiscard]] const row& result() const noexcept { return row_; }

 private:
  bool step(reader& in) noexcept {
    const auto op = in.fixed<unsigned char>();
    const std::uint64_t low = op & 0x3f;
    switch (op >> 6) {
      case 1: advance(low); return true;
      case 2: set(low, {saved::where::at_offset, factored(in.unsigned_leb())}); return true;
      case 3: restore(low); return true;
      default: return step_other(op, in);
    }
  }

  bool step_other(unsigned op, reader& in) noexcept {
    switch (op) {
      case 0x00: return true;                                      // nop
      case 0x02: advance(in.fixed<std::uint8_t>()); return true;   // advance_loc1
      case 0x03: advance(in.fixed<std::uint16_t>()); return true;  // advance_loc2
      case 0x04: advance(in.fixed<std::uint32_t>()); return true;  // advance_loc4
      case 0x06: restore(in.unsigned_leb()); return true;          // restore_extended
      case 0x0a: return remember();                                // remember_state
      case 0x0b: return recall();                                  // restore_state
      case 0x2d: return true;                                      // AARCH64_negate_ra_state
      case 0x2e: in.unsigned_leb(); return true;                   // GNU_args_size
      case 0x0c:
      case 0x0d:
      case 0x0e:
      case 0x0f:
      case 0x12:
      case 0x13: define_cfa(op, in); return true;
      case 0x05:
      case 0x07:
      case 0x08:
      case 0x09:
      case 0x10:
      case 0x11:
      case 0x14:
      case 0x15:
      case 0x16: save(op, in); return true;
      default: return false;
    }
  }

  void define_cfa(unsigned op, reader& in) noexcept {
    if (op == 0x0f) {  // def_cfa_expression
      in.skip(in.unsigned_leb());
      row_.cfa_known = false;
      return;
    }
    if (op == 0x0c || op == 0x0d || op == 0x12) row_.cfa_register = in.unsigned_leb();
    if (op == 0x0c || op == 0x0e) row_.cfa_offset = static_cast<std::int64_t>(in.unsigned_leb());
    if (op == 0x12 || op == 0x13) row_.cfa_offset = in.signed_leb() * common_.data_factor;
    if (op == 0x0c || op == 0x12) row_.cfa_known = true;
  }

  void save(unsigned op, reader& in) noexcept {
    const auto number = in.unsigned_leb();
    switch (op) {
      case 0x05: set(number, {saved::where::at_offset, factored(in.unsigned_leb())}); return;
      case 0x11:
        set(number, {saved::where::at_offset, in.signed_leb() * common_.data_factor});
        return;
      case 0x07: set(number, {saved::where::undefined}); return;
      case 0x08: set(number, {saved::where::kept}); return;
      case 0x10:
      case 0x16: in.skip(in.unsigned_leb()); break;  // (val_)expression
      default: in.unsigned_leb(); break;             // register, val_offset
    }
    set(number, {saved::where::elsewhere});
  }

  void advance(std::uint64_t units) noexcept { at_ += units * common_.code_factor; }
  [[nodiscard]] std::int64_t factored(std::uint64_t n) const noexcept {
    return static_cast<std::int64_t>(n) * common_.data_factor;
  }
  void set(std::uint64_t number, saved to) noexcept {
    if (number == fp_number) row_.fp = to;
    if (number == common_.link_number) row_.link = to;
  }
  void restore(std::uint64_t number) noexcept {
    if (number == fp_number) row_.fp = initial_.fp;
    if (number == common_.link_number) row_.link = initial_.link;
  }
  bool remember() noexcept {
    if (depth_ == remembered_max) return false;
    remembered_[depth_++] = row_;
    return true;
  }
  bool recall() noexcept {
    if (depth_ == 0) return false;
    row_ = remembered_[--depth_];
    return true;
  }

  const common& common_;
  std::uintptr_t at_;
  const std::uintptr_t target_;
  row row_;
  row initial_;
  std::array<row, remembered_max> remembered_;
  std::size_t depth_ = 0;
};

frame_rule rule_from(const row& r) noexcept {
  if (r.link.is == saved::where::undefined) return {.is = frame_rule::kind::base};
  const bool from_fp = r.cfa_register == fp_number;
  if (!r.cfa_known || (!from_fp && r.cfa_register != sp_number)) return {};
  // A link that was kept is in a register, which is true of no frame that has called another.
  if (r.link.is != saved::where::at_offset) return {};
  if (r.fp.is != saved::where::at_offset && r.fp.is != saved::where::kept) return {};
  return {.is = frame_rule::kind::frame,
          .cfa_from_fp = from_fp,
          .fp_saved = r.fp.is == saved::where::at_offset,
          .cfa_offset = static_cast<std::int32_t>(r.cfa_offset),
          .link_offset = static_cast<std::int32_t>(r.link.offset),
          .fp_offset = static_cast<std::int32_t>(r.fp.offset)};
}

}  // namespace

frame_rule rule_of(std::uintptr_t pc) noexcept {
  // The call lies before the address that it returns to, which may be the next function's.
  const std::uintptr_t call = pc - 1;
  dwarf_eh_bases bases{};
  const auto* fde =
      static_cast<const unsigned char*>(_Unwind_Find_FDE(reinterpret_cast<void*>(call), &bases));
  if (fde == nullptr) return {};
  if (is_base(bases.function)) return {.is = frame_rule::kind::base};
  auto body = body_of(fde);
  if (!body) return {};
  reader in = *body;
  const unsigned char* link = in.at();
  const auto shared = read_common(link - in.fixed<std::int32_t>());
  if (!shared) return {};
  in.skip(2 * shared->address_size);
  if (shared->augmented) in.skip(in.unsigned_leb());
  interpreter run(*shared, reinterpret_cast<std::uintptr_t>(bases.function), call);
  if (!run.run(shared->program)) return {};
  run.begin_function();
  if (!run.run(in)) return {};
  return rule_from(run.result());
}

}  // namespace weft::arch
