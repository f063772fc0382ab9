// Recipes and their fingerprints; docs/FORMAT.md gives the bytes that are hashed.
//
// A value enters the fingerprint by its length and digest alone. That is why a kept recipe, which
// holds only digests of its long values, can still recompute the fingerprint that it belongs to.
#include "larder/recipe.h"

#include <array>
#include <utility>

#include "base/byte_order.h"
#include "base/digest.h"
#include "base/guarded.h"
#include "base/hex.h"
#include "format/recipe_rules.h"

namespace larder {
namespace {

constexpr std::string_view fingerprint_context = "larder 2026-11-22 recipe v1";

template <std::unsigned_integral T>
std::array<std::byte, sizeof(T)> little(T value) noexcept {
  std::array<std::byte, sizeof(T)> bytes;
  store_little(bytes.data(), value);
  return bytes;
}

std::string little_text(std::uint64_t value) {
  const auto bytes = little(value);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Hasher begin_fingerprint(std::string_view domain, std::size_t field_count) noexcept {
  Hasher hasher = Hasher::derive(fingerprint_context);
  hasher.update(little<std::uint64_t>(domain.size())).update(domain);
  hasher.update(little<std::uint64_t>(field_count));
  return hasher;
}

void add_to_fingerprint(Hasher& hasher, const RecipeField& field) noexcept {
  hasher.update(little(static_cast<std::uint8_t>(field.type)));
  hasher.update(little<std::uint64_t>(field.name.size())).update(field.name);
  hasher.update(little<std::uint64_t>(field.value_bytes));
  hasher.update(std::as_bytes(std::span(field.digest)));
}

std::unexpected<Error> invalid(std::string message) {
  return std::unexpected(Error{.code = Errc::invalid_argument, .message = std::move(message)});
}

}  // namespace

std::string domain_problem(std::string_view domain) {
  if (domain.empty()) {
    return "the recipe's domain is empty; name one with a date, like \"example.org 2026-11 v1\"";
  }
  if (domain.size() > Recipe::max_domain_bytes) {
    return "the recipe's domain has " + std::to_string(domain.size()) +
           " bytes; give it at most 255";
  }
  return {};
}

std::string name_problem(std::string_view name) {
  if (name.empty()) return "a recipe field has an empty name; name it";
  if (name.size() > Recipe::max_name_bytes) {
    return "a recipe field's name has " + std::to_string(name.size()) +
           " bytes; give it at most 255, and put the rest into the value";
  }
  return {};
}

Recipe::Recipe(std::string_view domain) : domain_(domain), problem_(domain_problem(domain)) {}

Recipe& Recipe::add(std::string_view name, FieldType type, std::string_view value) {
  std::string problem = name_problem(name);
  if (problem.empty() && fields_.contains(name)) {
    problem = "the recipe field \"" + std::string(name) + "\" is given twice; give it once";
  }
  if (!problem.empty()) {
    if (problem_.empty()) problem_ = std::move(problem);
    return *this;
  }
  RecipeField field{.type = type,
                    .name = std::string(name),
                    .value_bytes = value.size(),
                    .value = {},
                    .digest = blake3(value),
                    .value_kept = value.size() <= max_kept_value_bytes};
  if (field.value_kept) field.value = value;
  fields_.emplace(field.name, std::move(field));
  return *this;
}

Recipe& Recipe::field(std::string_view name, std::string_view bytes) {
  return add(name, FieldType::bytes, bytes);
}

Recipe& Recipe::field(std::string_view name, std::span<const std::byte> bytes) {
  return add(name, FieldType::bytes, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

Recipe& Recipe::field(std::string_view name, std::span<const std::string> items) {
  std::string value;
  for (const std::string& item : items) value.append(little_text(item.size())).append(item);
  return add(name, FieldType::list, value);
}

Recipe& Recipe::add_boolean(std::string_view name, bool value) {
  return add(name, FieldType::boolean, std::string_view(value ? "\1" : "\0", 1));
}

Recipe& Recipe::add_unsigned(std::string_view name, std::uint64_t value) {
  return add(name, FieldType::unsigned_integer, little_text(value));
}

Recipe& Recipe::add_signed(std::string_view name, std::int64_t value) {
  return add(name, FieldType::signed_integer, little_text(static_cast<std::uint64_t>(value)));
}

Result<Fingerprint> Recipe::fingerprint() const {
  return guarded([&]() -> Result<Fingerprint> {
    if (!problem_.empty()) return invalid(problem_);
    Hasher hasher = begin_fingerprint(domain_, fields_.size());
    for (const auto& [name, field] : fields_) add_to_fingerprint(hasher, field);
    return Fingerprint{hasher.finish()};
  });
}

Result<Fingerprint> KeptRecipe::fingerprint() const {
  return guarded([&]() -> Result<Fingerprint> {
    if (!complete) {
      return invalid(
          "the kept recipe is not complete, fields were left out for want of room; "
          "make the fingerprint from the original fields");
    }
    if (std::string problem = domain_problem(domain); !problem.empty()) {
      return invalid(std::move(problem));
    }
    Hasher hasher = begin_fingerprint(domain, fields.size());
    std::string_view previous;
    for (const RecipeField& field : fields) {
      // The empty name is refused here too: no name comes before it.
      if (field.name.size() > Recipe::max_name_bytes || field.name <= previous) {
        return invalid("the kept recipe's fields are not in the order of their names; sort them");
      }
      previous = field.name;
      add_to_fingerprint(hasher, field);
    }
    return Fingerprint{hasher.finish()};
  });
}

}  // namespace larder
