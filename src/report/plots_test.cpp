#include <gtest/gtest.h>

#include <cmath>

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
        for (const std::string& svg : {LinePlot{"t", axis, axis, {{"s", v, v}}}.svg({width, "i"}),
                                       ScatterPlot{"t", axis, axis, {{"s", v, v}}, {"n"}}.svg({width, "i"}),
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
  page.quote(kHostile, kHostile);
  LinePlot plot = line_plot();
  plot.title = plot.x.label = plot.y.label = plot.series[0].name = kHostile;
  page.figure(plot, kHostile);
  page.figure(BarPlot{kHostile, {kHostile}, {kHostile}, {{kHostile, {1}}}});
  const std::string html = page.html();
  EXPECT_EQ(html.find("<script"), std::string::npos);
  EXPECT_EQ(html.find('\x1b'), std::string::npos);
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
