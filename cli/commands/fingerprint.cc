#include <fmt/format.h>

#include "commands/commands.h"
#include "document.h"
#include "file_io.h"
#include "larder/recipe.h"

namespace larder::cli {

int run_fingerprint(const Options& options) {
  Recipe recipe(options.domain);
  for (const auto& [name, text] : options.fields) recipe.field(name, text);
  for (const auto& [name, path] : options.files) {
    const auto content = read_payload(path, max_payload_bytes_larder);
    if (!content) return fail(content.error());
    recipe.field(name, content->bytes());
  }
  const auto fingerprint = recipe.fingerprint();
  if (!fingerprint) return fail(fingerprint.error());
  if (options.format == Format::json) {
    Document::object().set("fingerprint", fingerprint->hex()).print();
  } else {
    fmt::print("{}\n", fingerprint->hex());
  }
  return exit_ok;
}

}  // namespace larder::cli
