#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <regex>

#include "report/html.h"
#include "report/svg_bar.h"
#include "report/svg_histogram.h"
#include "report/svg_line.h"
#include "report/svg_scatter.h"

namespace octet::report {
namespace {

const std::string kHostile = "<script>alert('x')</script>\"&\x1b[31m";

LinePlot line_plot() {
  LinePlot plot{"Loss", {"step"}, {"loss"}, {{"W8A8", {}, {}}, {"FP8", {}, {}}}};
  for (int i = 0; i < 20; ++i) {
    for (size_t s = 0; s < 2; ++s) {
      plot.series[s].x.push_back(i);
      plot.series[s].y.push_back(std::exp(-0.1 * i) + 0.1 * static_cast<double>(s));
    }
  }
  return plot;
}

int count(const std::string& text, const std::string& part) {
  int n = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++n;
  return n;
}

TEST(Plots, HaveATitleAndADescription) {
  const std::string svg = line_plot().svg({720, "one"});
  EXPECT_NE(svg.find("<title id=\"one-title\">Loss</title>"), std::string::npos);
  EXPECT_NE(svg.find("<desc id=\"one-desc\">"), std::string::npos);
  EXPECT_NE(svg.find("role=\"img\""), std::string::npos);
  EXPECT_EQ(count(svg, "<circle"), 40);
  EXPECT_EQ(count(svg, "<path"), 2);
}

TEST(Plots, SurviveEmptyEqualAndInfiniteValues) {
  const double inf = INFINITY, nan = NAN;
  for (const bool log : {false, true}) {
    for (const std::vector<double>& v :
         std::vector<std::vector<double>>{{}, {1}, {2, 2}, {nan, inf, -inf}, {0, -1, nan, 5}, {1e-300, 1e300}}) {
      const Axis axis{"a", Unit::number, log};
      for (const int width : {340, 720}) {
        for (const std::string& svg :
             {LinePlot{"t", axis, axis, {{"s", v, v}}}.svg({width, "i"}),
              ScatterPlot{"t", axis, axis, {{"s", v, v, {"n"}}}, {{"b", 1}}, {{"c", NAN}}}.svg({width, "i"}),
              Histogram{"t", axis, {{"s", v}}}.svg({width, "i"}),
              BarPlot{"t", axis, {"g", "h"}, {{"s", v}}}.svg({width, "i"})}) {
          EXPECT_EQ(svg.find("nan\""), std::string::npos) << svg;
          EXPECT_EQ(svg.find("=\"inf"), std::string::npos) << svg;
          EXPECT_EQ(svg.find("=\"-nan"), std::string::npos) << svg;
        }
      }
    }
  }
}

TEST(Plots, OfManyPointsStaySmall) {
  LinePlot plot = line_plot();
  for (int i = 20; i < 200000; ++i) {
    plot.series[0].x.push_back(i);
    plot.series[0].y.push_back(std::sin(i));
  }
  EXPECT_LT(plot.svg({720, "i"}).size(), 60000u);
  EXPECT_LE(plot.table().rows.size(), 300u);
}

LinePlot named_plot() {
  LinePlot plot{"Noise", {"layer"}, {"dB"}, {{"weights", {}, {}}, {"inputs", {}, {}}}};
  for (int i = 0; i < 300; ++i) {
    plot.series[0].names.push_back(fmt::format("layers.{}.{}", i / 2, i % 2 ? "up" : "down"));
    for (Series& s : plot.series) {
      s.x.push_back(i + 1);
      s.y.push_back(40 + std::sin(i));
    }
    if (i % 2 == 0) plot.x.ticks.push_back({i + 1.0, std::to_string(i / 2)});
  }
  plot.series[1].y[7] = NAN;
  return plot;
}

TEST(LinePlot, NamesEveryPoint) {
  const LinePlot plot = named_plot();
  const std::string svg = plot.svg({720, "i"});
  EXPECT_EQ(count(svg, "class=\"hover\""), 300);
  EXPECT_NE(svg.find("<title>layers.149.up\nweights: "), std::string::npos);
  EXPECT_NE(svg.find("class=\"tick\">0</text>"), std::string::npos) << "the axis says layers, not points";
  EXPECT_EQ(svg.find("class=\"tick\">300</text>"), std::string::npos);
  const Table table = plot.table();
  EXPECT_EQ(table.heading, (std::vector<std::string>{"module", "weights, dB", "inputs, dB"}));
  ASSERT_EQ(table.rows.size(), 300u) << "a row that is left out may be the dip";
  EXPECT_EQ(table.rows[299][0], "layers.149.up");
  EXPECT_EQ(table.rows[7][2], "–");
}

TEST(LinePlot, OfOneNamedPointStands) {
  LinePlot plot{"Noise", {"layer"}, {"dB"}, {{"weights", {1}, {40}, {"lm_head"}}}};
  plot.x.ticks = {{1, "lm_head"}};
  const std::string svg = plot.svg({340, "i"});
  EXPECT_NE(svg.find(">lm_head</text>"), std::string::npos);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
}

struct Mark {
  double left, top, right, bottom;
  bool meets(const Mark& o) const { return left < o.right && o.left < right && top < o.bottom && o.top < bottom; }
};

std::vector<std::smatch> all_of(const std::string& text, const std::regex& expression) {
  return {std::sregex_iterator(text.begin(), text.end(), expression), std::sregex_iterator()};
}

TEST(ScatterPlot, WritesNoNameOverAPointOrAnother) {
  ScatterPlot plot{"Size and divergence",
                   {"size", Unit::bytes},
                   {"KL", Unit::number, true},
                   {{"chosen", {3e5}, {5e-4}, {"12 wide"}}, {"made", {}, {}}}};
  for (int i = 0; i < 12; ++i) {
    plot.series[1].x.push_back(3e5 + 4e3 * i);
    plot.series[1].y.push_back(5e-4 * std::pow(1.03, -i));
    plot.series[1].names.push_back(fmt::format("{} wide", 13 + i));
  }
  for (const int width : {340, 720}) {
    const std::string svg = plot.svg({width, "i"});
    std::vector<Mark> points, names;
    for (const auto& m : all_of(svg, std::regex("<circle cx=\"([0-9.]+)\" cy=\"([0-9.]+)\""))) {
      const double x = std::stod(m[1]), y = std::stod(m[2]);
      points.push_back({x - 4, y - 4, x + 4, y + 4});
    }
    const std::regex name(
        "<text x=\"([0-9.]+)\" y=\"([0-9.]+)\" text-anchor=\"(start|end)\" class=\"value\">([0-9]+ wide)<");
    for (const auto& m : all_of(svg, name)) {
      const double x = std::stod(m[1]), y = std::stod(m[2]), length = text_width(m[4].str());
      const double left = m[3] == "start" ? x : x - length;
      names.push_back({left, y - 10, left + length, y + 2});
    }
    EXPECT_EQ(points.size(), 13u);
    if (width == 720) {
      EXPECT_GE(names.size(), 2u);
      EXPECT_NE(svg.find(">12 wide</text>"), std::string::npos) << "the first series is named first";
    }
    for (size_t i = 0; i < names.size(); ++i) {
      for (const Mark& point : points) EXPECT_FALSE(names[i].meets(point)) << svg;
      for (size_t j = 0; j < i; ++j) EXPECT_FALSE(names[i].meets(names[j])) << svg;
    }
  }
}

TEST(ScatterPlot, DrawsBoundsThatAreNear) {
  ScatterPlot plot{"t", {"size"}, {"KL", Unit::number, true}, {{"made", {1, 2}, {1e-3, 1e-2}}}};
  plot.x_bounds = {{"--max-size 2.5", 2.5}, {"--max-size 1000", 1000}};
  plot.y_bounds = {{"--max-kl 0", 0}, {"--max-kl 0.002", 2e-3}};
  const std::string svg = plot.svg({720, "i"});
  EXPECT_EQ(count(svg, "class=\"bound\""), 2);
  EXPECT_NE(svg.find(">--max-size 2.5</text>"), std::string::npos);
  EXPECT_NE(svg.find(">--max-kl 0.002</text>"), std::string::npos);
}

TEST(Histogram, CountsEveryFiniteValueOnce) {
  Histogram plot{"t", {"value"}, {{"", {0, 0.1, 0.2, 0.5, 1, NAN, INFINITY}}}};
  plot.bins = 4;
  const Table table = plot.table();
  ASSERT_EQ(table.rows.size(), 4u);
  EXPECT_EQ(table.rows[0][2], "3");
  EXPECT_EQ(table.rows[2][2], "1");
  EXPECT_EQ(table.rows[3][2], "1");
}

TEST(Page, EscapesWhateverItIsGiven) {
  Page page(kHostile, kHostile);
  page.heading(kHostile);
  page.paragraph(kHostile);
  page.key_numbers({{kHostile, kHostile, kHostile}});
  page.table({{kHostile, "n"}, {{kHostile, "1"}, {kHostile}}}, kHostile);
  page.code(kHostile);
  page.folded_table(kHostile, {{kHostile}, {{kHostile}}});
  LinePlot plot = line_plot();
  plot.title = plot.x.label = plot.y.label = plot.series[0].name = kHostile;
  page.figure(plot, kHostile);
  page.figure(BarPlot{kHostile, {kHostile}, {kHostile}, {{kHostile, {1}}}});
  const std::string html = page.html();
  EXPECT_EQ(html.find("<script"), std::string::npos);
  EXPECT_EQ(html.find('\x1b'), std::string::npos);
}

TEST(Page, BreaksCommandsOnlyAtSpaces) {
  Page page("title", "subtitle");
  page.code("octet compress --max-kl 0.1");
  const std::string html = page.html();
  EXPECT_NE(html.find("<pre class=\"code\"><code><span>octet</span> <span>compress</span> <span>--max-kl</span> "
                      "<span>0.1</span></code></pre>"),
            std::string::npos);
}

TEST(Page, FetchesNothing) {
  Page page("title", "subtitle");
  page.figure(line_plot());
  const std::string html = page.html();
  EXPECT_EQ(count(html, "http"), 3) << "two namespaces of SVG and the policy";
  EXPECT_EQ(html.find("src="), std::string::npos);
}

}  // namespace
}  // namespace octet::report
