// Recipes for C.
#include <memory>
#include <string>
#include <vector>

#include "face/c_support.h"
#include "larder/recipe.h"

struct larder_recipe {
  explicit larder_recipe(const char* domain) : recipe(domain) {}

  larder::Recipe recipe;
};

namespace {

// Adds one field: `add` gets the recipe and the name as C++ wants them.
template <class Add>
larder_code add_field(larder_recipe* recipe, const char* name, larder_error* error,
                      Add&& add) noexcept {
  return larder::guarded(error, [&]() -> larder::Result<larder_code> {
    if (recipe == nullptr) return larder::null_argument("recipe");
    if (name == nullptr) return larder::null_argument("name");
    return add(recipe->recipe, std::string_view(name));
  });
}

}  // namespace

extern "C" {

larder_code larder_recipe_new(const char* domain, larder_recipe** recipe,
                              larder_error* error) noexcept {
  return larder::guarded(error, [&]() -> larder::Result<larder_code> {
    if (domain == nullptr) return larder::null_argument("domain");
    if (recipe == nullptr) return larder::null_argument("recipe");
    *recipe = std::make_unique<larder_recipe>(domain).release();
    return LARDER_OK;
  });
}

void larder_recipe_free(larder_recipe* recipe) noexcept { delete recipe; }

larder_code larder_recipe_field_bytes(larder_recipe* recipe, const char* name, const void* data,
                                      size_t size, larder_error* error) noexcept {
  return add_field(recipe, name, error,
                   [&](larder::Recipe& to, std::string_view key) -> larder::Result<larder_code> {
                     if (larder::missing(data, size)) return larder::null_argument("data");
                     to.field(key, larder::bytes_from_c(data, size));
                     return LARDER_OK;
                   });
}

larder_code larder_recipe_field_text(larder_recipe* recipe, const char* name, const char* text,
                                     larder_error* error) noexcept {
  return add_field(recipe, name, error,
                   [&](larder::Recipe& to, std::string_view key) -> larder::Result<larder_code> {
                     if (text == nullptr) return larder::null_argument("text");
                     to.field(key, text);
                     return LARDER_OK;
                   });
}

larder_code larder_recipe_field_unsigned(larder_recipe* recipe, const char* name, uint64_t value,
                                         larder_error* error) noexcept {
  return add_field(recipe, name, error, [&](larder::Recipe& to, std::string_view key) {
    to.field(key, value);
    return LARDER_OK;
  });
}

larder_code larder_recipe_field_signed(larder_recipe* recipe, const char* name, int64_t value,
                                       larder_error* error) noexcept {
  return add_field(recipe, name, error, [&](larder::Recipe& to, std::string_view key) {
    to.field(key, value);
    return LARDER_OK;
  });
}

larder_code larder_recipe_field_boolean(larder_recipe* recipe, const char* name, int value,
                                        larder_error* error) noexcept {
  return add_field(recipe, name, error, [&](larder::Recipe& to, std::string_view key) {
    to.field(key, value != 0);
    return LARDER_OK;
  });
}

larder_code larder_recipe_field_list(larder_recipe* recipe, const char* name,
                                     const char* const* items, size_t item_count,
                                     larder_error* error) noexcept {
  return add_field(recipe, name, error,
                   [&](larder::Recipe& to, std::string_view key) -> larder::Result<larder_code> {
                     if (larder::missing(static_cast<const void*>(items), item_count))
                       return larder::null_argument("items");
                     std::vector<std::string> copies;
                     for (size_t i = 0; i < item_count; ++i) {
                       if (items[i] == nullptr) return larder::null_argument("items[i]");
                       copies.emplace_back(items[i]);
                     }
                     to.field(key, copies);
                     return LARDER_OK;
                   });
}

larder_code larder_recipe_finish(const larder_recipe* recipe, larder_fingerprint* fingerprint,
                                 void** kept, size_t* kept_size, larder_error* error) noexcept {
  return larder::guarded(error, [&]() -> larder::Result<larder_code> {
    if (recipe == nullptr) return larder::null_argument("recipe");
    if (fingerprint == nullptr) return larder::null_argument("fingerprint");
    if ((kept == nullptr) != (kept_size == nullptr)) {
      return larder::null_argument(kept == nullptr ? "kept" : "kept_size");
    }
    const auto made = recipe->recipe.fingerprint();
    if (!made) return std::unexpected(made.error());
    if (kept != nullptr) {
      const std::string encoded = recipe->recipe.encode();
      *kept = larder::copy_for_c(std::as_bytes(std::span(encoded)));
      *kept_size = encoded.size();
    }
    larder::to_c(*made, *fingerprint);
    return LARDER_OK;
  });
}

}  // extern "C"
