// key: makes key files, and tells the ids of their keys.
#include <fmt/format.h>

#include <string>

#include "commands/commands.h"
#include "document.h"
#include "larder/keys.h"
#include "text.h"

namespace larder::cli {
namespace {

// The first one is written with.
void print_ids(const Keys& keys, Format format) {
  if (format != Format::json) {
    for (const std::uint64_t id : keys.ids()) fmt::print("{}\n", key_id_text(id));
    return;
  }
  Document list = Document::list();
  for (const std::uint64_t id : keys.ids()) list.append(key_id_text(id));
  list.print();
}

}  // namespace

int run_key(const Options& options) {
  if (options.action == "new") {
    if (const auto made = make_key_file(options.file); !made) return fail(made.error());
  }
  const auto keys = read_key_file(options.file);
  if (!keys) return fail(keys.error());
  print_ids(*keys, options.format);
  return exit_ok;
}

}  // namespace larder::cli
