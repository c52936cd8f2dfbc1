"""What ``hardest-metrics demo`` shows: a chapter a domain, on handwritten digits that scikit-learn brings."""
