#include "remote/redis_slots.h"

#include <hiredis/hiredis.h>

#include <algorithm>
#include <charconv>
#include <span>

namespace larder::remote {
namespace {

constexpr std::uint16_t polynomial = 0x1021;

constexpr std::array<std::uint16_t, 256> make_table() noexcept {
  std::array<std::uint16_t, 256> table{};
  for (unsigned byte = 0; byte < table.size(); ++byte) {
    unsigned crc = byte << 8;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc & 0x8000u) != 0 ? (crc << 1) ^ polynomial : crc << 1;
    }
    table[byte] = static_cast<std::uint16_t>(crc);
  }
  return table;
}
constexpr auto table = make_table();

template <class Number>
bool read_number(std::string_view text, Number& number) noexcept {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

bool is_host(std::string_view text) noexcept {
  constexpr std::size_t longest = 255;
  return text.size() <= longest && std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  std::string_view(".-_:").contains(c);
         });
}

std::string_view take_word(std::string_view& text) noexcept {
  const std::size_t end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

bool is_text(const redisReply& reply) noexcept {
  return reply.type == REDIS_REPLY_STRING || reply.type == REDIS_REPLY_STATUS;
}

std::span<redisReply* const> elements_of(const redisReply& reply) noexcept {
  if (reply.type != REDIS_REPLY_ARRAY) return {};
  return {reply.element, reply.elements};
}

// [host, port, ...]; a host that the server does not know of itself is nil, empty, or "?".
std::optional<RedisAddress> address_of(const redisReply& reply) {
  const auto parts = elements_of(reply);
  if (parts.size() < 2 || parts[1]->type != REDIS_REPLY_INTEGER) return std::nullopt;
  const long long port = parts[1]->integer;
  if (port < 1 || port > 65535) return std::nullopt;
  RedisAddress address{.host = {}, .port = static_cast<std::uint16_t>(port)};
  if (is_text(*parts[0])) address.host.assign(parts[0]->str, parts[0]->len);
  if (address.host == "?") address.host.clear();
  if (!is_host(address.host)) return std::nullopt;
  return address;
}

// As many as a cluster may have, by Redis's specification, and some more.
constexpr std::size_t most_nodes = 1024;

// nobody: there are too many.
std::uint16_t place_of(RedisSlotMap& map, const RedisAddress& address) {
  const auto at = std::ranges::find(map.nodes, address);
  const auto place = static_cast<std::uint16_t>(at - map.nodes.begin());
  if (at == map.nodes.end()) {
    if (map.nodes.size() == most_nodes) return RedisSlotMap::nobody;
    map.nodes.push_back(address);
  }
  return place;
}

// [first, last, master, replica...]
bool add_range(RedisSlotMap& map, const redisReply& range) {
  const auto parts = elements_of(range);
  if (parts.size() < 3 || parts[0]->type != REDIS_REPLY_INTEGER ||
      parts[1]->type != REDIS_REPLY_INTEGER) {
    return false;
  }
  const long long first = parts[0]->integer;
  const long long last = parts[1]->integer;
  const auto address = address_of(*parts[2]);
  if (!address || first < 0 || last < first || last >= static_cast<long long>(redis_slots)) {
    return false;
  }
  const std::uint16_t place = place_of(map, *address);
  if (place == RedisSlotMap::nobody) return false;
  std::fill(map.owners.begin() + first, map.owners.begin() + last + 1, place);
  return true;
}

}  // namespace

std::uint16_t redis_slot_of(std::string_view key) noexcept {
  unsigned crc = 0;
  for (const char c : key) {
    crc = ((crc << 8) & 0xffffu) ^ table[(crc >> 8) ^ static_cast<unsigned char>(c)];
  }
  return static_cast<std::uint16_t>(crc % redis_slots);
}

std::optional<RedisRedirection> parse_redirection(std::string_view error) {
  RedisRedirection redirection;
  const std::string_view word = take_word(error);
  if (word == "ASK") {
    redirection.kind = RedisRedirection::Kind::ask;
  } else if (word != "MOVED") {
    return std::nullopt;
  }
  if (!read_number(take_word(error), redirection.slot) || redirection.slot >= redis_slots) {
    return std::nullopt;
  }
  const std::string_view address = take_word(error);
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  redirection.address.host = address.substr(0, colon);
  const bool is_good = is_host(redirection.address.host) &&
                       read_number(address.substr(colon + 1), redirection.address.port) &&
                       redirection.address.port != 0;
  if (!is_good) return std::nullopt;
  return redirection;
}

std::optional<RedisSlotMap> parse_slot_map(const redisReply& reply) {
  RedisSlotMap map{.nodes = {}, .owners = {}};
  map.owners.fill(RedisSlotMap::nobody);
  const auto ranges = elements_of(reply);
  if (ranges.empty() || ranges.size() > redis_slots) return std::nullopt;
  for (const redisReply* range : ranges) {
    if (!add_range(map, *range)) return std::nullopt;
  }
  return map;
}

}  // namespace larder::remote
