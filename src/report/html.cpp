#include "report/html.h"

#include <fmt/format.h>

#include "base/escape.h"

namespace octet::report {
namespace {

constexpr std::string_view kPageStyle = R"css(
:root { color-scheme: light dark; --ink: #1b1f26; --soft: #586170; --rule: #dfe3e9; --paper: #fbfbfc; --card: #fff; --shade: #b9c1cd; --accent: #2563c9; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ebf0; --soft: #a0a9b8; --rule: #333b47; --paper: #14181e; --card: #1b2028; --shade: #5a6576; --accent: #6ea5ff; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; -webkit-text-size-adjust: 100%; }
main { max-width: 70rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; }
h1 { font-size: 1.75rem; line-height: 1.2; letter-spacing: -.015em; margin: 0 0 .35rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; letter-spacing: -.005em; margin: 2.75rem 0 .75rem; }
p { margin: .5rem 0 1rem; max-width: 42rem; overflow-wrap: anywhere; }
.subtitle, .note, figcaption, footer { color: var(--soft); }
.subtitle { margin-bottom: 1.75rem; }
dl.key { display: grid; grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr)); gap: .75rem; margin: 1.25rem 0; }
dl.key > div { background: var(--card); border: 1px solid var(--rule); border-radius: .6rem; padding: .8rem 1rem; }
dl.key dt { color: var(--soft); font-size: .85rem; } dl.key dd { margin: 0; }
dl.key dd.value { font-size: 1.5rem; font-weight: 600; letter-spacing: -.02em; line-height: 1.3; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
dl.key dd.note { font-size: .85rem; }
/* shades at the edges say that there is more to the side; covers of the paper's color hide them at the end */
.scroll { overflow-x: auto; margin: 1rem 0; background: linear-gradient(90deg, var(--card) 40%, transparent) left / 3rem 100% no-repeat local, linear-gradient(270deg, var(--card) 40%, transparent) right / 3rem 100% no-repeat local, linear-gradient(90deg, var(--shade), transparent) left / 1rem 100% no-repeat scroll, linear-gradient(270deg, var(--shade), transparent) right / 1rem 100% no-repeat scroll, var(--card); border: 1px solid var(--rule); border-radius: .6rem; }
.scroll:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; font-size: .925rem; font-variant-numeric: tabular-nums; }
p.note { font-size: .9rem; margin: 1rem 0 -.5rem; }
th, td { padding: .5rem 1rem; text-align: left; } thead th, td { white-space: nowrap; } td.long { white-space: normal; min-width: 14rem; } th { font-weight: 600; }
thead th { border-bottom: 1px solid var(--rule); color: var(--soft); font-size: .85rem; }
tbody th { white-space: normal; overflow-wrap: break-word; min-width: 7rem; max-width: 20rem; }
tbody tr + tr > * { border-top: 1px solid var(--rule); } .number { text-align: right; }
figure { max-width: 50rem; }
figure { margin: 1.25rem 0; background: var(--card); border: 1px solid var(--rule); border-radius: .6rem; padding: 1rem 1.25rem; }
figcaption { margin-bottom: .75rem; font-size: .9rem; } figcaption strong { display: block; color: var(--ink); font-size: 1rem; }
.narrow { display: none; } details { margin-top: .75rem; font-size: .9rem; } summary { color: var(--soft); cursor: pointer; }
details .scroll { max-height: 20rem; overflow: auto; }
details thead th { white-space: normal; }
pre.code { margin: 1rem 0; padding: .8rem 1rem; overflow-x: auto; white-space: pre-wrap; font: .875rem/1.6 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; background: var(--card); border: 1px solid var(--rule); border-left: 3px solid var(--accent); border-radius: .3rem .6rem .6rem .3rem; }
pre.code span { white-space: pre; }
body > footer { text-align: center; font-size: .85rem; padding: 0 1.5rem 2rem; }
@media (max-width: 40rem) { main { padding: 1.5rem 1rem 3rem; } h1 { font-size: 1.45rem; } .wide { display: none; } .narrow { display: block; }
  figure { padding: .9rem .8rem; } th, td { padding: .45rem .7rem; } dl.key { grid-template-columns: 1fr 1fr; } dl.key > div { padding: .65rem .8rem; } dl.key dd.value { font-size: 1.3rem; } }
@media print { body { background: #fff; } figure, .scroll, dl.key > div { break-inside: avoid; } }
)css";

constexpr size_t kLongCell = 24;  // characters beyond which a cell may break into lines

bool is_number(const std::string& cell) {
  const size_t at = !cell.empty() && (cell[0] == '-' || cell[0] == '+') ? 1 : 0;
  return at < cell.size() && cell[at] >= '0' && cell[at] <= '9';
}

// A column stands to the right if its first cell with content is a number.
std::vector<bool> numeric_columns(const Table& table) {
  std::vector<bool> numeric(table.heading.size());
  for (size_t c = 0; c < numeric.size(); ++c) {
    for (const auto& row : table.rows) {
      if (c >= row.size() || row[c].empty() || row[c] == "–") continue;
      numeric[c] = is_number(row[c]);
      break;
    }
  }
  return numeric;
}

std::string table_html(const Table& table, std::string_view caption) {
  const std::vector<bool> numeric = numeric_columns(table);
  const auto side = [&](size_t c) { return numeric[c] ? " class=\"number\"" : ""; };
  const auto look = [&](size_t c, const std::string& cell) {
    return !numeric[c] && cell.size() > kLongCell ? " class=\"long\"" : side(c);
  };
  std::string html = "<div class=\"scroll\" tabindex=\"0\"><table>";
  if (!caption.empty()) {  // not a <caption>: it would scroll away with a wide table
    html = fmt::format("<p class=\"note\">{0}</p>\n<div class=\"scroll\" tabindex=\"0\"><table aria-label=\"{0}\">",
                       html_escape(caption));
  }
  html += "<thead><tr>";
  for (size_t c = 0; c < numeric.size(); ++c) {
    html += fmt::format("<th scope=\"col\"{}>{}</th>", side(c), html_escape(table.heading[c]));
  }
  html += "</tr></thead>\n<tbody>";
  for (const auto& row : table.rows) {
    html += "<tr>";
    for (size_t c = 0; c < numeric.size(); ++c) {
      const std::string cell = c < row.size() ? html_escape(row[c]) : "";
      html += c == 0 && !numeric[0] ? fmt::format("<th scope=\"row\">{}</th>", cell)
                                    : fmt::format("<td{}>{}</td>", look(c, cell), cell);
    }
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

std::string folded(std::string_view summary, const Table& table) {
  return fmt::format("<details><summary>{}</summary>{}</details>\n", html_escape(summary), table_html(table, ""));
}

}  // namespace

Page::Page(std::string title, std::string subtitle) : title_(std::move(title)), subtitle_(std::move(subtitle)) {}

void Page::heading(std::string_view text) {
  body_ += fmt::format("<h2>{}</h2>\n", html_escape(text));
}

void Page::paragraph(std::string_view text) {
  body_ += fmt::format("<p>{}</p>\n", html_escape(text));
}

void Page::key_numbers(const std::vector<KeyNumber>& numbers) {
  body_ += "<dl class=\"key\">\n";
  for (const KeyNumber& number : numbers) {
    body_ += fmt::format("<div><dt>{}</dt><dd class=\"value\">{}</dd>", html_escape(number.label),
                         html_escape(number.value));
    if (!number.note.empty()) body_ += fmt::format("<dd class=\"note\">{}</dd>", html_escape(number.note));
    body_ += "</div>\n";
  }
  body_ += "</dl>\n";
}

void Page::table(const Table& table, std::string_view caption) {
  body_ += table_html(table, caption);
}

void Page::folded_table(std::string_view summary, const Table& table) {
  body_ += folded(summary, table);
}

void Page::code(std::string_view text) {
  body_ += "<pre class=\"code\"><code>";
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    body_ += fmt::format("<span>{}</span>{}", html_escape(text.substr(at, end - at)), end < text.size() ? " " : "");
    at = end + 1;
  }
  body_ += "</code></pre>\n";
}

std::string Page::next_id() {
  return fmt::format("figure-{}", ++figures_);
}

void Page::add_figure(std::string_view title, std::string_view note, const std::string& wide, const std::string& narrow,
                      const Table& numbers) {
  body_ +=
      fmt::format("<figure><figcaption><strong>{}</strong>{}</figcaption>\n", html_escape(title), html_escape(note));
  body_ += fmt::format("<div class=\"wide\">{}</div>\n<div class=\"narrow\">{}</div>\n", wide, narrow);
  body_ += folded("The numbers", numbers) + "</figure>\n";
}

std::string Page::html() const {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
      "<title>{0}</title>\n<style>{1}{2}</style>\n</head>\n<body>\n<main>\n<h1>{0}</h1>\n"
      "<p class=\"subtitle\">{3}</p>\n{4}</main>\n<footer>Octet {5}</footer>\n</body>\n</html>\n",
      html_escape(title_), kPageStyle, plot_style(), html_escape(subtitle_), body_, OCTET_VERSION);
}

}  // namespace octet::report
