// inspect, explain, diff: what an entry is, and what its fingerprint was made from.
#include <fmt/format.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "commands/commands.h"
#include "commands/entry.h"
#include "document.h"
#include "text.h"

namespace larder::cli {
namespace {

void print_details(const EntryDetails& details) {
  print_rows({{"fingerprint", details.info.fingerprint.hex()},
              {"layout", details.layout},
              {"location", details.location},
              {"codec", details.codec},
              {"payload", fmt::format("{} bytes", details.info.payload_bytes)},
              {"payload BLAKE3", details.payload_digest.hex()},
              {"key", details.key_id == 0 ? "none" : key_id_text(details.key_id)},
              {"on disk", fmt::format("{} bytes", details.info.disk_bytes)},
              {"last used", iso_time(details.info.last_used_s)},
              {"recipe", details.recipe.empty() ? "none kept" : "kept; `larder explain` shows it"},
              {"state", "good"}});
}

void print_details_json(const EntryDetails& details) {
  Document::object()
      .set("fingerprint", details.info.fingerprint.hex())
      .set("layout", details.layout)
      .set("location", details.location)
      .set("codec", details.codec)
      .set("payload_bytes", details.info.payload_bytes)
      .set("payload_blake3", details.payload_digest.hex())
      .set("key_id", details.key_id == 0 ? "" : key_id_text(details.key_id))
      .set("disk_bytes", details.info.disk_bytes)
      .set("last_used", iso_time(details.info.last_used_s))
      .set("recipe_kept", !details.recipe.empty())
      .print();
}

// nullopt when none was kept, or when what was kept is no recipe.
std::optional<KeptRecipe> recipe_of(const EntryDetails& details) {
  if (details.recipe.empty()) return std::nullopt;
  auto recipe = decode_recipe(details.recipe);
  if (recipe) return *std::move(recipe);
  warn(fmt::format("{}: {}", details.info.fingerprint.hex(), recipe.error().message));
  return std::nullopt;
}

// Whether the fields make the fingerprint that the entry has.
std::string_view verdict(const std::optional<KeptRecipe>& recipe, const Fingerprint& fingerprint) {
  if (!recipe) return "no recipe was kept";
  const auto made = recipe->fingerprint();
  if (!made) return "cannot be recomputed: fields were left out for want of room";
  return *made == fingerprint ? "matches" : "does not match: the recipe belongs to something else";
}

using FieldTexts = std::map<std::string, std::string>;

FieldTexts texts_of(const KeptRecipe& recipe) {
  FieldTexts texts;
  for (const RecipeField& field : recipe.fields) texts[field.name] = field.display();
  return texts;
}

void print_explanation(const std::optional<KeptRecipe>& recipe, const Fingerprint& fingerprint) {
  std::vector<Row> rows = {{"fingerprint", fingerprint.hex()}};
  if (recipe) rows.emplace_back("domain", recipe->domain);
  rows.emplace_back("recomputed", verdict(recipe, fingerprint));
  if (recipe) {
    for (const auto& [name, text] : texts_of(*recipe))
      rows.emplace_back("  " + printable(name), text);
  }
  print_rows(rows);
}

void print_explanation_json(const std::optional<KeptRecipe>& recipe,
                            const Fingerprint& fingerprint) {
  Document document = Document::object();
  document.set("fingerprint", fingerprint.hex());
  document.set("recomputed", verdict(recipe, fingerprint));
  if (recipe) {
    Document fields = Document::object();
    for (const auto& [name, text] : texts_of(*recipe)) fields.set(name, text);
    document.set("domain", recipe->domain).set("fields", fields);
  }
  document.print();
}

// A name with what it has on either side; nullopt where it is not.
struct Difference {
  std::string name;
  std::optional<std::string> a;
  std::optional<std::string> b;
};

std::optional<std::string> look_up(const FieldTexts& texts, const std::string& name) {
  const auto at = texts.find(name);
  if (at == texts.end()) return std::nullopt;
  return at->second;
}

std::vector<Difference> differences(const KeptRecipe& a, const KeptRecipe& b) {
  std::vector<Difference> found;
  if (a.domain != b.domain) found.push_back({"domain", a.domain, b.domain});
  const FieldTexts in_a = texts_of(a);
  const FieldTexts in_b = texts_of(b);
  std::set<std::string> names;
  for (const FieldTexts* texts : {&in_a, &in_b}) {
    for (const auto& [name, text] : *texts) names.insert(name);
  }
  for (const std::string& name : names) {
    Difference difference{name, look_up(in_a, name), look_up(in_b, name)};
    if (difference.a != difference.b) found.push_back(std::move(difference));
  }
  return found;
}

void print_differences(const std::vector<Difference>& found) {
  if (found.empty()) fmt::print("no field differs\n");
  for (const auto& [name, a, b] : found) {
    fmt::print("{}\n", printable(name));
    fmt::print("  A  {}\n", printable(a.value_or("(absent)")));
    fmt::print("  B  {}\n", printable(b.value_or("(absent)")));
  }
}

void print_differences_json(const std::vector<Difference>& found) {
  Document list = Document::list();
  for (const auto& [name, a, b] : found) {
    Document item = Document::object();
    item.set("field", name);
    a ? item.set("a", *a) : item.set_null("a");
    b ? item.set("b", *b) : item.set_null("b");
    list.append(item);
  }
  list.print();
}

}  // namespace

int run_inspect(const Context& context) {
  auto store = open_for_reading(context);
  if (!store) return fail(store.error());
  const Described entry = describe(**store, context.options.fingerprint);
  if (!entry.details) return entry.code;
  context.options.format == Format::json ? print_details_json(*entry.details)
                                         : print_details(*entry.details);
  return exit_ok;
}

int run_explain(const Context& context) {
  auto store = open_for_reading(context);
  if (!store) return fail(store.error());
  const Fingerprint& fingerprint = context.options.fingerprint;
  const Described entry = describe(**store, fingerprint);
  if (!entry.details) return entry.code;
  const auto recipe = recipe_of(*entry.details);
  context.options.format == Format::json ? print_explanation_json(recipe, fingerprint)
                                         : print_explanation(recipe, fingerprint);
  return exit_ok;
}

int run_diff(const Context& context) {
  auto store = open_for_reading(context);
  if (!store) return fail(store.error());
  std::optional<KeptRecipe> recipes[2];
  const Fingerprint* const fingerprints[] = {&context.options.fingerprint, &context.options.other};
  for (int side = 0; side < 2; ++side) {
    const Described entry = describe(**store, *fingerprints[side]);
    if (!entry.details) return entry.code;
    recipes[side] = recipe_of(*entry.details);
    if (!recipes[side]) {
      return fail(exit_refused,
                  fmt::format("no recipe was kept with {}; there is nothing to compare",
                              fingerprints[side]->hex()));
    }
  }
  const auto found = differences(*recipes[0], *recipes[1]);
  context.options.format == Format::json ? print_differences_json(found) : print_differences(found);
  return exit_ok;
}

}  // namespace larder::cli
