#include "tests/fuzz/calls.h"

namespace larder::fuzz {
namespace {

// Around what is treated differently: empty, one unit, a page, what is read at once, zeros ahead, a
// quarter of a segment of 1 MiB.
constexpr std::size_t sizes[] = {0,       1,       63,     64,      1000,    4000,
                                 4096,    16'000,  65'536, 131'072, 240'000, 262'000,
                                 262'144, 300'000, 20'000, 100};

// One that repeats itself, or one that zstd cannot make smaller.
std::string payload_of(std::size_t size, std::uint8_t seed) {
  std::string payload(size, '\0');
  std::uint32_t state = 1u + seed;
  const bool is_random = seed % 2 == 1;
  for (char& c : payload) {
    state = is_random ? state * 1664525u + 1013904223u : state + 7;
    c = static_cast<char>(is_random ? state >> 24 : state);
  }
  return payload;
}

void put(StoreWorld& world, Input& input, std::size_t number) {
  const std::uint8_t size = input.byte();
  const std::uint8_t seed = input.byte();
  const bool is_crafted = size >= 250;
  world.put(number, is_crafted ? world.first_file_of_artifacts()
                               : payload_of(sizes[size % std::size(sizes)], seed));
}

void get_many(StoreWorld& world, std::uint8_t mask) {
  std::vector<std::size_t> numbers;
  for (std::size_t number = 0; number < key_count; ++number) {
    if ((mask >> number & 1) != 0) numbers.push_back(number);
  }
  if (mask == 255) numbers.push_back(0);  // the same one twice
  world.get_many(numbers);
}

void spoil(StoreWorld& world, Input& input) {
  const std::uint8_t file = input.byte();
  const auto at = input.number<std::uint32_t>();
  world.spoil(file, at, input.byte());
}

}  // namespace

StoreChoice choice_of(std::uint8_t how) {
  constexpr std::uint64_t MiB = 1u << 20;
  StoreChoice choice{.compression = (how & 16) != 0 ? Compression::zstd : Compression::none,
                     .second_access = (how & 32) != 0 ? Access::read_only : Access::read_write};
  // Half of the inputs go to the pack store.
  constexpr StoreChoice::Kind kinds[] = {StoreChoice::Kind::pack, StoreChoice::Kind::pack,
                                         StoreChoice::Kind::file, StoreChoice::Kind::vyre};
  choice.kind = kinds[how & 3];
  choice.has_key = (how & 64) != 0;
  choice.is_rotating = (how & 128) != 0;
  switch (how >> 2 & 3) {
    case 0: break;
    case 1: choice.budget = {.max_bytes = 64 * MiB}; break;
    case 2: choice.budget = {.max_bytes = 2 * MiB}; break;
    default: choice.budget = {.max_entries = 3}; break;
  }
  return choice;
}

void do_next(StoreWorld& world, Input& input, std::uint8_t what) {
  const std::uint8_t argument = input.byte();
  const std::size_t number = argument % key_count;
  switch (what % 20) {
    case 0: return world.get(number);
    case 1: return world.get_into(number, sizes[argument >> 4]);
    case 2: return get_many(world, argument);
    case 3: return world.view(number);
    case 4: return world.contains(number);
    case 5: return world.inspect(number);
    case 6: return world.remove(number);
    case 7: return world.flush();
    case 8: return world.prune({.max_entries = argument % 5u});
    case 9: return world.prune({.max_bytes = std::uint64_t{argument} << 14});
    case 10: return world.maintain();
    case 11: return world.visit();
    case 12: return argument < 64 ? world.clear() : world.flush();
    case 13: return world.close();
    case 14: return spoil(world, input);
    case 15: return world.let_stranger_work(number, argument >> 4);
    default: return put(world, input, number);
  }
}

}  // namespace larder::fuzz
