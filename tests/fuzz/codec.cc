// The payload of a record, compressed.
//
//   byte: bit 0 = the bytes are compressed first and then one bit is turned over, else they are a
//   frame; u32: raw length, within bounds; u32: a bit to turn over; then the bytes
#include "format/codec.h"

#include "tests/fuzz/fuzz.h"

namespace larder::fuzz {
namespace {

constexpr std::size_t most_raw_bytes = 1u << 16;

// Contexts are kept from call to call, as a store keeps them: what one input leaves behind must not
// change what another gives.
struct Codec {
  format::Zstd used;
};

void check_decompress(format::Zstd& zstd, std::span<const std::byte> stored,
                      std::size_t raw_bytes) {
  Bytes raw(raw_bytes, std::byte{0x55});
  if (!zstd.decompress(stored, raw)) return;
  // Every byte was written: another ground gives the same, and so does a context without a past.
  Bytes again(raw_bytes, std::byte{0xaa});
  format::Zstd fresh;
  require(fresh.decompress(stored, again) && again == raw);
  // Exactly one frame of exactly that size.
  Bytes longer(raw_bytes + 1);
  require(!zstd.decompress(stored, longer));
  require(raw.empty() || !zstd.decompress(stored, std::span(longer).first(raw_bytes - 1)));
  Bytes more = copy_of(stored);
  more.push_back({});
  require(!zstd.decompress(more, raw));
  require(!zstd.decompress(copy_of(stored.first(stored.size() - 1)), raw));
}

void check_compress(format::Zstd& zstd, std::span<const std::byte> payload, std::uint32_t bit) {
  auto stored = zstd.compress(payload, static_cast<int>(bit % 4));
  if (!stored) return;
  require(stored->size() <= payload.size() - (payload.size() + 7) / 8);
  Bytes raw(payload.size());
  require(zstd.decompress(*stored, raw) && equal(raw, payload));
  check_decompress(zstd, *stored, payload.size());
  flip(*stored, bit);
  check_decompress(zstd, *stored, payload.size());
}

}  // namespace

void test_one(std::span<const std::byte> bytes) {
  static Codec codec;
  Input input(bytes);
  const std::uint8_t how = input.byte();
  const std::size_t raw_bytes = input.number<std::uint32_t>() % most_raw_bytes;
  const auto bit = input.number<std::uint32_t>();
  const Bytes rest = copy_of(input.rest());
  if ((how & 1) == 0) return check_decompress(codec.used, rest, raw_bytes);
  // Said again and again, so that something can be saved.
  Bytes payload = rest;
  for (std::size_t i = how >> 4; i > 0; --i)
    payload.insert(payload.end(), rest.begin(), rest.end());
  check_compress(codec.used, payload, bit);
}

}  // namespace larder::fuzz
