// The text of a configuration file, sizes and durations.
//
//   byte: which; bit 7 = a number with a suffix is made of the bytes
#include "cache/config_file.h"
#include "larder/config.h"
#include "tests/fuzz/fuzz.h"

namespace larder::fuzz {
namespace {

constexpr std::string_view keys[] = {"dir",     "max_size", "disable",  "readonly", "must_hit",
                                     "refresh", "log",      "key_file", "remote"};

void check_layer(std::string_view text) {
  const auto layer = parse_config(text, "f");
  if (!layer) {
    require(layer.error().code == Errc::bad_config && layer.error().message.starts_with("f:"));
    return;
  }
  std::string again;
  for (const auto& [key, value] : *layer) {
    require(std::ranges::find(keys, key) != std::end(keys));
    require(value.value.find('\n') == std::string::npos);
    require(value.origin.starts_with("f:") && value.origin.size() > 2);
    again += "  " + key + " =" + value.value + "\n";
  }
  const auto twice = parse_config(again, "f");
  require(twice && twice->size() == layer->size());
  for (const auto& [key, value] : *layer) require(twice->at(key).value == value.value);
}

// Lines that are nearly right.
void check_lines(Input& input) {
  std::string text;
  while (!input.at_end()) {
    text += keys[input.byte() % std::size(keys)];
    text += " = " + text_of(input.take(input.byte() % 16)) + "\n";
  }
  check_layer(text);
}

using Parser = Result<std::uint64_t> (*)(std::string_view);

struct Unit {
  std::string_view suffix;
  std::uint64_t factor;
};

constexpr std::uint64_t k = 1024;
constexpr Unit sizes[] = {
    {"", 1},
    {"k", k},
    {"M", k* k},
    {"g", k* k* k},
    {"T", k* k* k* k},
    {"KiB", k},
    {"mib", k* k},
    {"GiB", k* k* k},
    {"TIB", k* k* k* k},
    {"kB", 1000},
    {"MB", 1000'000},
    {"gb", 1000'000'000},
    {" tb", 1000'000'000'000},
};
constexpr Unit durations[] = {{"ms", 1},       {"s", 1000},      {" m", 60'000},
                              {"h", 3600'000}, {"d", 86400'000}, {"w", 604800'000}};

void check_number(Parser parse, std::span<const Unit> units, std::uint64_t number,
                  std::uint8_t which) {
  const Unit& unit = units[which % units.size()];
  const auto parsed = parse(std::to_string(number) + std::string(unit.suffix));
  const bool fits = number <= ~std::uint64_t{0} / unit.factor;
  require(parsed.has_value() == fits);
  if (fits) require(*parsed == number * unit.factor);
}

// What is accepted shows itself, and is accepted again so.
void check_remotes(const std::string& text) {
  const auto settings = parse_remotes(text);
  if (!settings) return require(settings.error().code == Errc::invalid_argument);
  require(!settings->empty());
  for (const RemoteSetting& setting : *settings) {
    const auto again = parse_remotes(setting.shown);
    require(again && again->size() == 1 && again->front().shown == setting.shown);
  }
}

void check_text(Parser parse, std::string_view plain_suffix, const std::string& text) {
  const auto parsed = parse(text);
  if (!parsed) return require(parsed.error().code == Errc::invalid_argument);
  require(text.front() >= '0' && text.front() <= '9');
  const auto again = parse(std::to_string(*parsed) + std::string(plain_suffix));
  require(again && *again == *parsed);
}

}  // namespace

void test_one(std::span<const std::byte> bytes) {
  Input input(bytes);
  const std::uint8_t how = input.byte();
  if ((how & 128) != 0) {
    const auto number = input.number<std::uint64_t>() >> input.byte() % 64;
    check_number(parse_size, sizes, number, how);
    check_number(parse_duration_ms, durations, number, how);
    return;
  }
  if (how % 2 == 1) return check_lines(input);
  const std::string text = text_of(input.rest());
  check_layer(text);
  check_remotes(text);
  check_text(parse_size, "", text);
  check_text(parse_duration_ms, "ms", text);
}

}  // namespace larder::fuzz
