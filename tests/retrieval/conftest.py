from tests.functional.retrieval.conftest import goldens as goldens
from tests.test_distributed import processes as processes
