#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "commands/commands.h"
#include "document.h"
#include "text.h"

namespace larder::cli {
namespace {

void print_text(const std::vector<EntryInfo>& entries) {
  for (const EntryInfo& entry : entries) {
    fmt::print("{}  {:>12}  {}{}\n", entry.fingerprint.hex(), entry.payload_bytes,
               iso_time(entry.last_used_s), entry.other_key ? "  of another key" : "");
  }
}

void print_json(const std::vector<EntryInfo>& entries) {
  Document list = Document::list();
  for (const EntryInfo& entry : entries) {
    list.append(Document::object()
                    .set("fingerprint", entry.fingerprint.hex())
                    .set("payload_bytes", entry.payload_bytes)
                    .set("disk_bytes", entry.disk_bytes)
                    .set("last_used", iso_time(entry.last_used_s))
                    .set("other_key", entry.other_key));
  }
  list.print();
}

}  // namespace

int run_list(const Context& context) {
  Warnings warnings;
  auto store = open_for_reading(listening(context, warnings));
  if (!store) return fail(store.error());
  std::vector<EntryInfo> entries;
  const auto visited = (*store)->visit([&](const EntryInfo& entry) {
    entries.push_back(entry);
    return Visit::go_on;
  });
  if (!visited) return fail(visited.error());
  std::ranges::sort(entries, {}, &EntryInfo::fingerprint);
  context.options.format == Format::json ? print_json(entries) : print_text(entries);
  warnings.tell();
  return exit_ok;
}

}  // namespace larder::cli
