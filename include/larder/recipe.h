// A recipe: the named fields of a fingerprint, kept beside the artifact to explain a miss.
#ifndef LARDER_RECIPE_H_
#define LARDER_RECIPE_H_

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "larder/error.h"
#include "larder/fingerprint.h"

namespace larder LARDER_PUBLIC {

// Frozen: the numbers are hashed into fingerprints and written to disk.
enum class FieldType : std::uint8_t {
  bytes = 1,             // text or binary, compared byte for byte
  unsigned_integer = 2,  // 8 bytes, little-endian
  signed_integer = 3,    // 8 bytes, little-endian, two's complement
  boolean = 4,           // one byte, 0 or 1
  list = 5,  // each item: length (8 bytes, little-endian), then its bytes; order matters
};

// One field as a kept recipe shows it. A short value is kept as it is, a long one as its digest.
struct RecipeField {
  FieldType type = FieldType::bytes;
  std::string name;
  std::uint64_t value_bytes = 0;          // the length of the original value
  std::string value;                      // empty when only the digest was kept
  std::array<std::uint8_t, 32> digest{};  // BLAKE3 of the original value
  bool value_kept = false;

  // The value for a person: text in quotes, numbers in decimal, else "blake3:<hex> (N bytes)".
  std::string display() const;

  friend bool operator==(const RecipeField&, const RecipeField&) = default;
};

// Typed, length-delimited, domain-separated: `-I -O2` and `-I-O2` differ, ("ab","c") and ("a","bc")
// differ, the order of fields does not matter, and a repeated name is an error when finished.
// docs/FORMAT.md gives the bytes. Not safe for use by several threads at once. What does not give a
// Result may throw bad_alloc.
class Recipe {
 public:
  static constexpr std::size_t max_encoded_bytes = 4096;
  static constexpr std::size_t max_kept_value_bytes = 255;
  static constexpr std::size_t max_name_bytes = 255;
  static constexpr std::size_t max_domain_bytes = 255;

  // `domain` says whose fields these are, with a date: "example.org 2026-11 opencl v1". Bump it to
  // forget every old entry. One to max_domain_bytes bytes.
  explicit Recipe(std::string_view domain);

  // Adds a field. The value is hashed at once and not referred to afterwards.
  Recipe& field(std::string_view name, std::string_view bytes);
  Recipe& field(std::string_view name, const char* text) {
    return field(name, std::string_view(text));
  }
  Recipe& field(std::string_view name, std::span<const std::byte> bytes);
  Recipe& field(std::string_view name, std::span<const std::string> items);
  Recipe& field(std::string_view name, const std::vector<std::string>& items) {
    return field(name, std::span<const std::string>(items));
  }
  template <std::same_as<bool> T>
  Recipe& field(std::string_view name, T value) {
    return add_boolean(name, value);
  }
  template <std::unsigned_integral T>
    requires(!std::same_as<T, bool>)
  Recipe& field(std::string_view name, T value) {
    return add_unsigned(name, value);
  }
  template <std::signed_integral T>
  Recipe& field(std::string_view name, T value) {
    return add_signed(name, value);
  }

  // invalid_argument: an empty or over-long domain; an empty, over-long or repeated field name.
  Result<Fingerprint> fingerprint() const;

  // At most max_encoded_bytes. When the fields do not fit, values give way to their digests, the
  // longest first; when that is not enough, the encoding says that fields were left out. Empty when
  // fingerprint() is an error.
  std::string encode() const;

  std::string_view domain() const noexcept { return domain_; }

 private:
  Recipe& add(std::string_view name, FieldType type, std::string_view value);
  Recipe& add_boolean(std::string_view name, bool value);
  Recipe& add_unsigned(std::string_view name, std::uint64_t value);
  Recipe& add_signed(std::string_view name, std::int64_t value);

  std::string domain_;
  std::map<std::string, RecipeField, std::less<>> fields_;
  std::string problem_;
};

// A recipe as read back from an entry.
struct KeptRecipe {
  std::string domain;
  std::vector<RecipeField> fields;  // ordered by name
  bool complete = true;             // false: fields were left out for want of room

  // The fingerprint that these fields make; equals the entry's own when the recipe is complete and
  // belongs to it. invalid_argument when the recipe is not complete.
  Result<Fingerprint> fingerprint() const;
};

// corrupt: the bytes are not an encoded recipe. Reads untrusted bytes safely.
Result<KeptRecipe> decode_recipe(std::string_view encoded);

}  // namespace larder

#endif  // LARDER_RECIPE_H_
